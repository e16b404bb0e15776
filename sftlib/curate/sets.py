"""Rows as sets of grams, of which only those are kept that could be common to two rows."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sftlib.curate.clusters import Rows
from sftlib.curate.grams import Counts, Hashes

GRAMS_PER_PART = 8 << 20
PAIRS_PER_BATCH = 1 << 16
ROW_BITS = np.uint64(24)
# All row bits set: the row that is not wanted.
NOBODY = np.uint64((1 << 24) - 1)


@dataclass(frozen=True)
class GramSets:
    """Row r has `sizes[r]` different grams; `grams[starts[r] : starts[r + 1]]` are those that come
    in several rows, as ranks: the rarest gram of all is 0, and they ascend.
    """

    sizes: Counts
    starts: Counts
    grams: NDArray[np.uint32]

    def shared(self) -> Counts:
        """How many grams of each row are kept."""
        return np.diff(self.starts)

    def jaccard(self, a: Rows, b: Rows) -> NDArray[np.float64]:
        """Share of the grams of a[i] or b[i] that both have, for every i."""
        index = np.empty(len(a))
        for start in range(0, len(a), PAIRS_PER_BATCH):
            part = slice(start, start + PAIRS_PER_BATCH)
            index[part] = self._jaccard(a[part], b[part])
        return index

    def _jaccard(self, a: Rows, b: Rows) -> NDArray[np.float64]:
        both = np.concatenate([self._spread(a), self._spread(b)])
        both.sort(kind="stable")  # merges the two, each of which is sorted already
        twice = both[1:][both[1:] == both[:-1]]
        common = np.bincount(parted(twice)[0], minlength=len(a))
        index: NDArray[np.float64] = common / (self.sizes[a] + self.sizes[b] - common)
        return index

    def _spread(self, rows: Rows) -> Hashes:
        """(i, gram) for each gram of each rows[i], as one number."""
        counts = self.starts[rows + 1] - self.starts[rows]
        grams = self.grams[ranges(self.starts[rows], counts)]
        return joined(np.repeat(np.arange(len(rows)), counts), grams)


def ranges(starts: Counts, counts: Counts) -> Rows:
    """starts[i], starts[i] + 1, ... of counts[i] numbers, end to end.

    >>> ranges(np.array([5, 9]), np.array([2, 3])).tolist()
    [5, 6, 9, 10, 11]
    """
    offsets = np.cumsum(counts) - counts
    return np.repeat(starts - offsets, counts) + np.arange(int(counts.sum()))


def joined(high: NDArray[Any], low: NDArray[Any]) -> Hashes:
    """One number for each pair of numbers below 2 ** 32; they sort as the pairs do."""
    return high.astype(np.uint64) << np.uint64(32) | low.astype(np.uint64)


@dataclass(frozen=True)
class SharedGrams:
    """Grams that several rows have: how many have each, and which, gram by gram."""

    rows: NDArray[np.uint32]
    frequency: Counts


def parted(pairs: Hashes) -> tuple[Rows, Rows]:
    """The inverse of `joined`."""
    low = pairs & np.uint64((1 << 32) - 1)
    return (pairs >> np.uint64(32)).astype(np.int64), low.astype(np.int64)


def gram_sets(hashes: list[Hashes], counts: Sequence[Counts], wanted: Rows) -> GramSets:
    """The sets of the rows `wanted`, as rows 0, 1, ... in that order.

    hashes, counts: the grams of all rows, and how many each has, shard by shard; the hashes are
    used up. Grams are worked on in parts of equal hash, so that memory stays small.
    """
    tag(hashes, counts, wanted)
    parts = max(1, sum(map(len, hashes)) // GRAMS_PER_PART)
    alone = np.zeros(len(wanted), np.int64)
    found = [shared_grams(grams_of_part(hashes, part, parts), alone) for part in range(parts)]
    hashes.clear()
    return by_row(alone, found)


def tag(hashes: list[Hashes], counts: Sequence[Counts], wanted: Rows) -> None:
    """Put the number of its row among those wanted into the low bits of each hash, in place.

    Sorting such numbers groups equal grams and orders their rows, without an index beside them.
    40 bits of hash are left: for two rows of 120 grams, the chance of one common gram too many is
    one in 76 million.
    """
    assert len(wanted) < NOBODY, "more than 16 million rows in one process"
    places = np.full(sum(map(len, counts)), NOBODY, np.uint64)
    places[wanted] = np.arange(len(wanted), dtype=np.uint64)
    start = 0
    for mine, each in zip(hashes, counts, strict=True):
        mine &= ~NOBODY
        mine |= np.repeat(places[start : start + len(each)], each)
        start += len(each)


def grams_of_part(tagged: list[Hashes], part: int, parts: int) -> Hashes:
    """The different (gram, row) of one part, sorted."""
    found = [np.zeros(0, np.uint64)]
    for mine in tagged:
        inside = (mine & NOBODY) != NOBODY
        if parts > 1:
            inside &= (mine >> ROW_BITS) % np.uint64(parts) == part
        found.append(mine[inside])
    pairs = np.concatenate(found)
    pairs.sort()
    return pairs[changes(pairs)]


def changes(values: NDArray[Any]) -> NDArray[np.bool_]:
    """Where a sorted array goes on to another value; its first one does."""
    found = np.ones(len(values), bool)
    np.not_equal(values[1:], values[:-1], out=found[1:])
    return found


def shared_grams(pairs: Hashes, alone: Counts) -> SharedGrams:
    """The grams of a part that several rows have.

    pairs: (gram, row), sorted. Grams of one row are counted in `alone`.
    """
    rows = (pairs & NOBODY).astype(np.uint32)
    firsts = changes(pairs >> ROW_BITS)
    is_alone = firsts & np.append(firsts[1:], True)
    alone += np.bincount(rows[is_alone], minlength=len(alone))
    rows, firsts = rows[~is_alone], firsts[~is_alone]
    return SharedGrams(rows, np.diff(np.flatnonzero(firsts), append=len(rows)))


def by_row(alone: Counts, parts: list[SharedGrams]) -> GramSets:
    """Number grams by how rare they are, and sort them into their rows; the parts are used up."""
    frequency = np.concatenate([part.frequency for part in parts])
    # A sort of small integers is the fastest; among the most frequent, order hardly matters.
    order = np.argsort(np.minimum(frequency, (1 << 15) - 1).astype(np.int16), kind="stable")
    ranks = np.empty(len(order), np.uint32)
    ranks[order] = np.arange(len(order), dtype=np.uint32)
    keys = np.empty(int(frequency.sum()), np.uint64)
    grams = end = 0
    while parts:
        part = parts.pop(0)
        mine = np.repeat(ranks[grams : grams + len(part.frequency)], part.frequency)
        keys[end : end + len(mine)] = joined(part.rows, mine)
        grams, end = grams + len(part.frequency), end + len(mine)
    keys.sort()
    ends = np.searchsorted(keys, np.arange(1, len(alone) + 1, dtype=np.uint64) << np.uint64(32))
    starts = np.concatenate([[0], ends])
    return GramSets(alone + np.diff(starts), starts, keys.astype(np.uint32))
