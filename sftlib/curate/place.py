"""Where a row stands in [0, 1): what a split is cut from.

A cluster of duplicates stands where the first of its rows does. Test is the lowest range, then
validation, then train: a row added anywhere can only lower the place of a cluster, so it never
moves one from test to validation or train, nor from validation to train. No order and no memory
is needed. Rows of one cluster share their place, and clusters of different places are different.
"""

import hashlib
from typing import Literal

from sftlib.core.params import Shares, Split
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


def split_of(place: float, shares: Split | Shares) -> SplitName:
    """The split that `place` falls into.

    >>> split_of(0.05, Shares(validation=0.1, test=0.1))
    'test'
    """
    if place < shares.test:
        return "test"
    return "validation" if place < shares.test + shares.validation else "train"


def fold_of(place: float, test: float, fold: str) -> SplitName:
    """The split of `place` when fold "2 of 5" validates: the second fifth of what is not test.

    >>> [fold_of(place, 0.2, "1 of 2") for place in (0.1, 0.5, 0.7)]
    ['test', 'validation', 'train']
    """
    if place < test:
        return "test"
    number, count = map(int, fold.split(" of "))
    return "validation" if int((place - test) / (1 - test) * count) == number - 1 else "train"
