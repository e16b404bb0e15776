"""Where a row stands in [0, 1): what a split is cut from.

A cluster of duplicates stands where the first of its rows does. Test is the lowest range, then
validation, then train: a row added anywhere can only lower the place of a cluster, so it never
moves one from test to validation or train, nor from validation to train. No order and no memory
is needed. Rows of one cluster share their place, and clusters of different places are different.
"""

import hashlib

import numpy as np
from numpy.typing import NDArray

from sftlib.core.params import Shares, Split
from sftlib.core.splits import SplitName


def place_hash(text: str) -> int:
    """64 bits that depend on the normalised text alone."""
    raw = hashlib.blake2b(text.encode("utf-8"), digest_size=8, person=b"place").digest()
    return int.from_bytes(raw, "big")


def places_from(hashes: NDArray[np.uint64]) -> NDArray[np.float64]:
    """Numbers in [0, 1) of 53 bits, which JSON keeps exactly.

    >>> float(places_from(np.array([1 << 63], np.uint64))[0])
    0.5
    """
    return (hashes >> np.uint64(11)).astype(np.float64) / (1 << 53)


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
