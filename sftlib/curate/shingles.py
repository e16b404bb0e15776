"""Texts as sets of hashed word n-grams ("shingles"), and how alike two such sets are."""

import hashlib

from sftlib.core.records import normalise
from sftlib.core.words import words

MASK = (1 << 64) - 1
MULTIPLIER = 0x9E3779B97F4A7C15


class Shingler:
    """Turns texts into sets of 64-bit hashes of their word n-grams.

    A text shorter than the n-gram has one shingle, itself: short texts never share an empty set.
    """

    def __init__(self, ngram: int) -> None:
        self.ngram = ngram
        self._hashes: dict[str, int] = {}

    def shingles(self, text: str) -> set[int]:
        hashes = [self._hash(word) for word in words(normalise(text))]
        size = min(self.ngram, len(hashes))
        if not size:
            return set()
        return {combine(hashes[i : i + size]) for i in range(len(hashes) - size + 1)}

    def _hash(self, word: str) -> int:
        if word not in self._hashes:
            raw = hashlib.blake2b(word.encode("utf-8", "surrogatepass"), digest_size=8).digest()
            self._hashes[word] = int.from_bytes(raw, "big")
        return self._hashes[word]


def combine(hashes: list[int]) -> int:
    """One hash of a sequence; its length and order count."""
    value = len(hashes)
    for part in hashes:
        value = ((value ^ part) * MULTIPLIER + (value >> 29)) & MASK
    return value


def jaccard(a: set[int], b: set[int]) -> float:
    """Share of the union that both have.

    >>> jaccard({1, 2, 3}, {2, 3, 4})
    0.5
    """
    common = len(a & b)
    return common / (len(a) + len(b) - common)
