"""Which rows of all sources are kept, which are dropped for what, and what belongs together."""

from collections import Counter, defaultdict

import numpy as np
from numpy.typing import NDArray

from sftlib.core.params import Curate, NearDuplicates
from sftlib.curate.clusters import Clusters, Rows
from sftlib.curate.near import drop_near, join_near
from sftlib.curate.place import places_from
from sftlib.curate.rivals import drop_contradictions, drop_same_prompt
from sftlib.curate.sets import gram_sets
from sftlib.curate.survey import Pool
from sftlib.curate.verdict import Duplicate, Verdict


def find_duplicates(pool: Pool, params: Curate) -> Verdict:
    """Judge all rows; the verdict on a row does not depend on the order of the others.

    Of rows that compete one is kept: one that is held out, else that of the highest priority, the
    longest text, the smallest id. Rows of equal id are equal, and the first is kept.
    """
    rank = best_first(pool)
    duplicates, groups = exact_duplicates(pool, rank)
    distinct = [row for row in rank if row not in duplicates]
    clusters = join_clusters(pool, duplicates)
    votes = {rows[0]: len(rows) for rows in groups}
    duplicates |= drop_contradictions(pool, distinct, votes, params.contradictions)
    if params.same_prompt == "keep_best":
        duplicates |= drop_same_prompt(pool, distinct, duplicates)
    compared = 0
    if params.near_duplicates is not None:
        near, compared = near_duplicates(
            pool, np.array(distinct, np.int64), params.near_duplicates, clusters, duplicates
        )
        duplicates |= near
    prompts = np.unique(pool.openings, return_counts=True)[1]
    return Verdict(
        {row: found for row, found in duplicates.items() if not pool.held_out[row]},
        places_of(pool, clusters),
        {"text": Counter(map(len, groups)), "prompt": Counter(prompts.tolist())},
        clusters.count(),
        compared,
    )


def best_first(pool: Pool) -> list[int]:
    """All rows, those that are kept before those that yield to them."""
    ids = np.frombuffer(bytes.fromhex("".join(pool.ids)), ">u8").reshape(-1, 2)
    keys = (ids[:, 1], ids[:, 0], -pool.lengths, -pool.priorities, ~pool.held_out)
    order: list[int] = np.lexsort(keys).tolist()
    return order


def exact_duplicates(pool: Pool, rank: list[int]) -> tuple[dict[int, Duplicate], list[list[int]]]:
    """Dropped row -> its keeper, and the groups of equal rows, each with its keeper first."""
    groups: dict[bytes, list[int]] = defaultdict(list)
    for row in rank:
        groups[pool.keys[row]].append(row)
    found = {
        row: Duplicate("exact_duplicate", rows[0], "the normalised text is equal")
        for rows in groups.values()
        for row in rows[1:]
    }
    return found, list(groups.values())


def join_clusters(pool: Pool, duplicates: dict[int, Duplicate]) -> Clusters:
    """Exact duplicates, rows with one prompt and rows of one group belong together."""
    clusters = Clusters(len(pool.ids))
    clusters.join_equal(pool.openings)
    first_of_group: dict[str, int] = {}
    pairs = [(row, found.keeper) for row, found in duplicates.items() if found.keeper is not None]
    pairs += [
        (row, first_of_group.setdefault(group, row))
        for row, group in enumerate(pool.groups)
        if group is not None
    ]
    both = np.array(pairs, np.int64).reshape(-1, 2)
    clusters.join(both[:, 0], both[:, 1])
    return clusters


def places_of(pool: Pool, clusters: Clusters) -> NDArray[np.float64]:
    """The place of each row: the lowest of its cluster's, below 0 when one of it is held out."""
    places = places_from(pool.openings)
    lowest = np.full(len(places), 2.0)
    np.minimum.at(lowest, clusters.roots, places)
    lowest[np.unique(clusters.roots[pool.held_out])] -= 1
    result: NDArray[np.float64] = lowest[clusters.roots]
    return result


def near_duplicates(
    pool: Pool,
    distinct: Rows,
    near: NearDuplicates,
    clusters: Clusters,
    dropped: dict[int, Duplicate],
) -> tuple[dict[int, Duplicate], int]:
    """Rows not yet dropped that are near to a better one, and how many pairs were compared.

    distinct: rows that are no exact duplicates, the best first. All that are near, whatever their
    labels, are joined in `clusters`; near texts with two labels are both kept.
    """
    sets = gram_sets(pool.grams, pool.counts, distinct)
    alike = Clusters(len(distinct))
    compared = join_near(sets, near.threshold, alike)
    clusters.join(distinct, distinct[alike.roots])
    rivals = np.array([n for n, row in enumerate(distinct.tolist()) if row not in dropped], int)
    labels = {label: n for n, label in enumerate(sorted({x or "" for x in pool.labels}))}
    codes = np.array([labels[pool.labels[row] or ""] for row in distinct[rivals].tolist()], int)
    groups = alike.roots[rivals] * len(labels) + codes
    found = zip(*drop_near(sets, near.threshold, groups, rivals), strict=True)
    return {
        int(distinct[row]): Duplicate(
            "near_duplicate", int(distinct[keeper]), f"Jaccard index {index:.3f}"
        )
        for row, keeper, index in found
    }, compared
