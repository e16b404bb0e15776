"""Pairs of near-duplicates: MinHash and LSH propose them, true Jaccard decides.

Source: A. Broder, "On the resemblance and containment of documents" (1997); banding as in
Leskovec, Rajaraman, Ullman, "Mining of Massive Datasets", chapter 3.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator

from rensa import RMinHash

from sftlib.curate.clusters import Clusters
from sftlib.curate.shingles import jaccard

PERMUTATIONS = 128
SEED = 1
WANTED_RECALL = 0.999


def rows_per_band(threshold: float) -> int:
    """The most rows of a band that still find `WANTED_RECALL` of pairs just at the threshold.

    >>> rows_per_band(0.8)
    5
    """
    for rows in range(PERMUTATIONS, 1, -1):
        bands = PERMUTATIONS // rows
        if 1 - (1 - threshold**rows) ** bands >= WANTED_RECALL:
            return rows
    return 1


def join_near(shingles: list[set[int]], threshold: float, clusters: Clusters) -> int:
    """Join rows whose sets have a Jaccard index of at least `threshold`; returns the pairs checked.

    Pairs already in one cluster need no check: joining them changes nothing. No bucket is capped,
    so a row added later can only join clusters, never part them.
    """
    checked: set[tuple[int, int]] = set()
    for bucket in buckets(shingles, rows_per_band(threshold)):
        for position, b in enumerate(bucket):
            for a in bucket[:position]:
                if (a, b) in checked or clusters.find(a) == clusters.find(b):
                    continue
                checked.add((a, b))
                if jaccard(shingles[a], shingles[b]) >= threshold:
                    clusters.join(a, b)
    return len(checked)


def buckets(shingles: list[set[int]], rows: int) -> Iterator[list[int]]:
    """Groups of rows that agree in a band of their MinHash signatures; row numbers ascend."""
    filled = [number for number, found in enumerate(shingles) if found]
    signatures = RMinHash.digest_matrix_from_token_hash_sets(
        [sorted(shingles[number]) for number in filled], PERMUTATIONS, SEED
    ).to_rows()
    for start in range(0, PERMUTATIONS - rows + 1, rows):
        band: dict[tuple[int, ...], list[int]] = defaultdict(list)
        for number, signature in zip(filled, signatures, strict=True):
            band[tuple(signature[start : start + rows])].append(number)
        yield from (bucket for bucket in band.values() if len(bucket) > 1)


def drop_near(
    order: Iterable[int], shingles: list[set[int]], threshold: float
) -> dict[int, tuple[int, float]]:
    """Dropped row -> (its keeper, their Jaccard index), among the rows of one cluster.

    Rows are taken in `order`, the best first; one is dropped when it is nearly equal to one that
    was kept. Being joined to it by a chain of others is not enough.
    """
    kept: list[int] = []
    dropped: dict[int, tuple[int, float]] = {}
    for row in order:
        for keeper in kept:
            likeness = jaccard(shingles[row], shingles[keeper])
            if likeness >= threshold:
                dropped[row] = (keeper, likeness)
                break
        else:
            kept.append(row)
    return dropped
