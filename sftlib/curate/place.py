"""Where a row stands in [0, 1): what a split is cut from.

A cluster of duplicates stands where the first of its rows does. Test is the lowest range, then
validation, then train: a row added anywhere can only lower the place of a cluster, so it never
moves one from test to validation or train, nor from validation to train. No order and no memory
is needed.
"""

import hashlib
from typing import Literal

from sftlib.core.params import Split
from sftlib.core.records import normalise

SplitName = Literal["train", "validation", "test"]
SPLITS: tuple[SplitName, ...] = ("train", "validation", "test")


def place_of(text: str) -> float:
    """A number in [0, 1) that depends on the normalised text alone; 53 bits, exact in JSON.

    >>> place_of("Hello  World") == place_of("hello world")
    True
    """
    raw = hashlib.blake2b(normalise(text).encode("utf-8"), digest_size=8, person=b"place").digest()
    return (int.from_bytes(raw, "big") >> 11) / (1 << 53)


def split_of(place: float, split: Split) -> SplitName:
    """The split that `place` falls into.

    >>> split_of(0.05, Split(validation=0.1, test=0.1))
    'test'
    """
    if place < split.test:
        return "test"
    return "validation" if place < split.test + split.validation else "train"
