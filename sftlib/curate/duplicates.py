"""Which rows of all sources are kept, which are duplicates of what, and what belongs together."""

from collections import Counter, defaultdict
from dataclasses import dataclass

from sftlib.core.params import NearDuplicates
from sftlib.core.records import Labeled, Record, duplicate_key, normalise, opening_text, record_text
from sftlib.curate.clusters import Clusters
from sftlib.curate.near import drop_near, join_near
from sftlib.curate.place import place_of
from sftlib.curate.shingles import Shingler


@dataclass(frozen=True)
class Duplicate:
    """Why a row is dropped and the row that is kept in its stead."""

    reason: str
    keeper: int
    detail: str


@dataclass(frozen=True)
class Verdict:
    """What was found, by row number: duplicates, places, and counts for the metrics."""

    duplicates: dict[int, Duplicate]
    places: list[float]
    copies: dict[str, Counter[int]]
    clusters: int
    pairs_checked: int


def find_duplicates(records: list[Record], ids: list[str], near: NearDuplicates | None) -> Verdict:
    """Judge all rows; the verdict on a row does not depend on the order of the others.

    Among exact duplicates, and among near ones, the longest text is kept, then the smallest id.
    Rows of equal id are equal, and the first is kept.
    """
    texts = [record_text(record) for record in records]
    openings = [normalise(opening_text(record)) for record in records]
    rank = sorted(range(len(records)), key=lambda row: (-len(texts[row]), ids[row], row))
    duplicates, exact_groups = exact_duplicates(records, rank)
    distinct = [row for row in rank if row not in duplicates]

    clusters = Clusters(len(records))
    for row, duplicate in duplicates.items():
        clusters.join(row, duplicate.keeper)
    by_opening: dict[str, int] = {}
    for row, opening in enumerate(openings):
        clusters.join(row, by_opening.setdefault(opening, row))
    checked = 0
    if near is not None:
        found, checked = near_duplicates(records, texts, distinct, near, clusters)
        duplicates |= found
    groups = clusters.groups()
    places = [0.0] * len(records)
    for group in groups:
        lowest = min(place_of(opening) for opening in {openings[row] for row in group})
        for row in group:
            places[row] = lowest
    copies = {"text": exact_groups, "prompt": Counter(Counter(openings).values())}
    return Verdict(duplicates, places, copies, len(groups), checked)


def exact_duplicates(
    records: list[Record], rank: list[int]
) -> tuple[dict[int, Duplicate], Counter[int]]:
    """Dropped row -> its keeper, and how many groups there are of each size."""
    groups: dict[str, list[int]] = defaultdict(list)
    for row in rank:
        groups[duplicate_key(records[row])].append(row)
    found = {
        row: Duplicate("exact_duplicate", rows[0], "the normalised text is equal")
        for rows in groups.values()
        for row in rows[1:]
    }
    return found, Counter(len(rows) for rows in groups.values())


def near_duplicates(
    records: list[Record],
    texts: list[str],
    distinct: list[int],
    near: NearDuplicates,
    clusters: Clusters,
) -> tuple[dict[int, Duplicate], int]:
    """Near-duplicates among the distinct rows, best first; joins them in `clusters` too."""
    shingler = Shingler(near.ngram)
    shingles = [shingler.shingles(texts[row]) for row in distinct]
    alike = Clusters(len(distinct))
    checked = join_near(shingles, near.threshold, alike)
    found: dict[int, Duplicate] = {}
    for group in alike.groups():
        for member in group[1:]:
            clusters.join(distinct[group[0]], distinct[member])
        for same_label in by_label(records, distinct, group):
            for row, (keeper, likeness) in drop_near(same_label, shingles, near.threshold).items():
                detail = f"Jaccard index {likeness:.3f}"
                found[distinct[row]] = Duplicate("near_duplicate", distinct[keeper], detail)
    return found, checked


def by_label(records: list[Record], distinct: list[int], group: list[int]) -> list[list[int]]:
    """Parts of a group whose labels agree: texts that differ in their label are both kept."""
    parts: dict[str, list[int]] = defaultdict(list)
    for member in group:
        record = records[distinct[member]]
        parts[record.label if isinstance(record, Labeled) else ""].append(member)
    return list(parts.values())
