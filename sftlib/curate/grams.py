"""Texts as hashed word n-grams, for all texts of a shard at once.

Words are those of `sftlib.core.words`; a test compares the two. The characters of many texts lie in
one array, so that every step is a few operations on arrays and none a loop over words.
"""

from collections.abc import Iterator, Sequence
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from sftlib.core.words import words

Hashes = NDArray[np.uint64]
Counts = NDArray[np.int64]

CHARACTERS_PER_BATCH = 1 << 18
# What a character does: separate words, continue a word, or be a word of its own.
UNSEEN, SPACE, LETTER, ALONE = 0, 1, 2, 3
_kinds = np.zeros(0x110000, np.uint8)


def gram_hashes(texts: Sequence[str], size: int) -> tuple[Hashes, Counts]:
    """64-bit hashes of the `size`-grams of words of all texts end to end, and how many each has.

    A text of fewer words has one gram, itself; one without words has none. Equal grams of a text
    come as often as they stand in it. Texts are taken as they are: normalise them first.
    """
    hashes, counts = [], []
    for batch in batches(texts):
        found, each = gram_words(*word_hashes(batch), size)
        hashes.append(found)
        counts.append(each)
    if not counts:
        return np.zeros(0, np.uint64), np.zeros(0, np.int64)
    return np.concatenate(hashes), np.concatenate(counts)


def batches(texts: Sequence[str]) -> Iterator[Sequence[str]]:
    start = characters = 0
    for number, text in enumerate(texts):
        characters += len(text)
        if characters >= CHARACTERS_PER_BATCH:
            yield texts[start : number + 1]
            start, characters = number + 1, 0
    if start < len(texts):
        yield texts[start:]


def word_hashes(texts: Sequence[str]) -> tuple[Hashes, Counts]:
    """A hash of each word of all texts end to end, and how many words each text has.

    A word's hash is the sum of its characters, each times a random number of its place in the word:
    multilinear hashing, Dietzfelbinger (1996), modulo 2 ** 64.
    """
    characters = np.frombuffer("\n".join([*texts, ""]).encode("utf-32-le"), np.uint32)
    kinds = kinds_of(characters)
    continues = np.zeros(len(kinds), bool)
    continues[1:] = (kinds[1:] == LETTER) & (kinds[:-1] == LETTER)
    starts = np.flatnonzero((kinds > SPACE) & ~continues)
    ends_of_texts = np.cumsum([len(text) + 1 for text in texts])
    counts = np.diff(np.searchsorted(starts, ends_of_texts), prepend=0)
    if not len(starts):
        return np.zeros(0, np.uint64), counts
    # From here on the first word starts at 0.
    characters, kinds, starts = characters[starts[0] :], kinds[starts[0] :], starts - starts[0]
    lengths = np.diff(starts, append=len(characters))
    # Places count from the start of a word, through the spaces after it, which weigh nothing.
    places = np.ones(len(characters), np.int64)
    places[starts] -= np.append(1, lengths[:-1])
    np.cumsum(places, out=places)
    values = multipliers(int(lengths.max())).take(places, mode="clip")
    values *= characters
    values *= kinds > SPACE
    sums = np.cumsum(values, out=values)[starts + lengths - 1]
    return mixed(np.diff(sums, prepend=np.uint64(0))), counts


def gram_words(hashes: Hashes, counts: Counts, size: int) -> tuple[Hashes, Counts]:
    """The hashes of words as hashes of runs of `size` words of the same text."""
    ends = np.cumsum(counts)
    factors = multipliers(size + 1)
    result = np.full(len(hashes), factors[size])
    for offset in range(min(size, len(hashes))):
        result[: len(hashes) - offset] += hashes[offset:] * factors[offset]
    end_short_texts(result, hashes, counts, size)
    # A gram starts at every word that has size - 1 after it, and at the first of a short text.
    is_start = np.ones(len(hashes), bool)
    for back in range(1, size):
        is_start[(ends - back)[counts > back]] = False
    return mixed(result[is_start]), np.minimum(counts, 1) + np.maximum(counts - size, 0)


def end_short_texts(result: Hashes, hashes: Hashes, counts: Counts, size: int) -> None:
    """Make the one gram of each text of too few words anew: it has gone on into the next text."""
    factors = multipliers(size + 1)
    short = (counts > 0) & (counts < size)
    firsts, lengths = (np.cumsum(counts) - counts)[short], counts[short]
    result[firsts] = factors[size]
    for offset in range(size - 1):
        inside = firsts[lengths > offset]
        result[inside] += hashes[inside + offset] * factors[offset]


def kinds_of(characters: NDArray[np.uint32]) -> NDArray[np.uint8]:
    # Characters are all below the table's size; not to check them takes half the time.
    kinds: NDArray[np.uint8] = _kinds.take(characters, mode="clip")
    if not kinds.all():
        for character in set(characters[kinds == UNSEEN].tolist()):
            _kinds[character] = kind_of(chr(character))
        kinds = _kinds[characters]
    return kinds


def kind_of(character: str) -> int:
    """Asked of the definition of words itself: does it stand for a word, and does it join others?

    >>> [kind_of(character) for character in (" ", "a", "你", "!")]
    [1, 2, 3, 3]
    """
    if not words(character):
        return SPACE
    return LETTER if words(character + "a") == [character + "a"] else ALONE


@lru_cache
def multipliers(count: int) -> Hashes:
    """The first `count` numbers of one random sequence, all odd."""
    blocks = -(-count // 1024) * 1024
    numbers = np.arange(1, blocks + 1, dtype=np.uint64)
    return mixed(numbers * np.uint64(0x9E3779B97F4A7C15)) | np.uint64(1)


def mixed(values: Hashes) -> Hashes:
    """Every bit of each value spread over all bits of the result (splitmix64, Steele 2014)."""
    values = (values ^ (values >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    values = (values ^ (values >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return values ^ (values >> np.uint64(31))
