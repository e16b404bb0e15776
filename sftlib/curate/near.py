"""All pairs of rows whose Jaccard index reaches a threshold: no pair is missed, none is wrong.

Two sets that have much in common share one of their rarest grams, so only rows that share one of
those are compared. How many of the rarest must be looked at follows from sizes and threshold.

Sources: prefix filtering, Bayardo, Ma, Srikant, "Scaling Up All Pairs Similarity Search" (2007);
the shorter prefix of the smaller set, Xiao, Wang, Lin, Yu, "Efficient Similarity Joins for
Near-Duplicate Detection" (2008).
"""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from sftlib.curate.clusters import Clusters, Rows
from sftlib.curate.sets import GramSets, changes, joined, parted, ranges

PAIRS_PER_BATCH = 1 << 18
# Products of sizes and thresholds are not exact; a prefix may be longer than it must be.
SLACK = 1e-9


@dataclass(frozen=True)
class Probes:
    """What is looked up: row rows[i] is compared with rows candidates[lows[i] : highs[i]]."""

    rows: Rows
    lows: Rows
    highs: Rows
    candidates: Rows

    def where(self, chosen: NDArray[np.bool_]) -> "Probes":
        return Probes(self.rows[chosen], self.lows[chosen], self.highs[chosen], self.candidates)


def join_near(sets: GramSets, threshold: float, clusters: Clusters) -> int:
    """Join the rows of every pair that reaches `threshold`; returns the pairs compared.

    Pairs already in one cluster are not compared: joining them would change nothing. Nothing is
    capped, so a row added later can only join clusters, never part them.
    """
    probes = find_probes(sets, threshold)
    # Most copies of one text meet in the first of them, and need no comparing with each other.
    compared = join_pairs(sets, threshold, clusters, probes.rows, probes.candidates[probes.lows])
    probes = probes.where(~already_joined(probes, clusters))
    for rows, candidates in pairs_of(probes):
        compared += join_pairs(sets, threshold, clusters, rows, candidates)
    return compared


def find_probes(sets: GramSets, threshold: float) -> Probes:
    """Which rows to compare: the smaller of a pair is found by its short prefix."""
    by_size = np.argsort(sets.sizes, kind="stable")
    places = np.empty_like(by_size)
    places[by_size] = np.arange(len(by_size))
    rows, indexed = prefixes(sets, 2 * threshold / (1 + threshold))
    index = np.sort(joined(indexed, places[rows]))
    candidates = by_size[parted(index)[1]]
    smallest = np.searchsorted(sets.sizes[by_size], threshold * sets.sizes - SLACK)
    rows, grams = prefixes(sets, threshold)
    found = np.isin(grams, indexed)  # most are not, and need no search
    rows, grams = rows[found], grams[found]
    lows = np.searchsorted(index, joined(grams, smallest[rows]))
    highs = np.searchsorted(index, joined(grams, places[rows]))
    return Probes(rows, lows, highs, candidates).where(lows < highs)


def prefixes(sets: GramSets, share: float) -> tuple[Rows, NDArray[np.uint32]]:
    """(row, gram) of the rarest grams of each row, such that fewer than `share` are left out.

    Grams that no other row has come first, and need not be looked at.
    """
    wanted = sets.sizes - np.ceil(share * sets.sizes - SLACK).astype(np.int64) + 1
    shared = sets.shared()
    counts = np.clip(wanted - (sets.sizes - shared), 0, shared)
    rows = np.repeat(np.arange(len(counts)), counts)
    return rows, sets.grams[ranges(sets.starts[:-1], counts)]


def already_joined(probes: Probes, clusters: Clusters) -> NDArray[np.bool_]:
    """Probes whose row and candidates are all of one cluster."""
    roots = clusters.roots[probes.candidates]
    runs_of_roots = np.cumsum(changes(roots))
    is_uniform = runs_of_roots[probes.lows] == runs_of_roots[probes.highs - 1]
    found: NDArray[np.bool_] = is_uniform & (roots[probes.lows] == clusters.roots[probes.rows])
    return found


def pairs_of(probes: Probes) -> Iterator[tuple[Rows, Rows]]:
    """(row, candidate) of all probes, a batch at a time."""
    counts = probes.highs - probes.lows
    batch = np.cumsum(counts) // PAIRS_PER_BATCH
    for start, end in runs(batch):
        mine = counts[start:end]
        found = ranges(probes.lows[start:end], mine)
        yield np.repeat(probes.rows[start:end], mine), probes.candidates[found]


def runs(values: Rows) -> Iterator[tuple[int, int]]:
    """Start and end of each run of equal values."""
    bounds = [0, *(np.flatnonzero(np.diff(values)) + 1).tolist(), len(values)]
    return (run for run in pairwise(bounds) if run[0] < run[1])


def join_pairs(sets: GramSets, threshold: float, clusters: Clusters, a: Rows, b: Rows) -> int:
    """Compare pairs that are not in one cluster, and join those alike; returns how many."""
    apart = clusters.roots[a] != clusters.roots[b]
    a, b = parted(np.unique(joined(a[apart], b[apart])))
    alike = sets.jaccard(a, b) >= threshold
    clusters.join(a[alike], b[alike])
    return len(a)


def drop_near(
    sets: GramSets, threshold: float, groups: Rows, rows: Rows
) -> tuple[Rows, Rows, NDArray[np.float64]]:
    """Dropped rows, the keeper of each, and their Jaccard index.

    rows: the best first; groups [rows]: only rows of one group compete. One is dropped when it is
    nearly equal to one that was kept: being joined to it by a chain of others is not enough.
    """
    order = np.argsort(groups, kind="stable")
    groups, rows = groups[order], rows[order]
    dropped, keepers, indices = [], [], []
    while True:
        # The best row that is left of each group is kept, and compared with all others of it.
        firsts = changes(groups)
        numbers = np.cumsum(firsts) - 1
        others = ~firsts
        if not others.any():
            break
        best = rows[firsts][numbers[others]]
        index = sets.jaccard(rows[others], best)
        alike = index >= threshold
        dropped.append(rows[others][alike])
        keepers.append(best[alike])
        indices.append(index[alike])
        groups, rows = groups[others][~alike], rows[others][~alike]
    empty = np.zeros(0, np.int64)
    return (
        np.concatenate([empty, *dropped]),
        np.concatenate([empty, *keepers]),
        np.concatenate([np.zeros(0), *indices]),
    )
