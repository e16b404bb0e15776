"""Which rows of all sources are kept, which are dropped for what, and what belongs together."""

from collections import Counter, defaultdict

from sftlib.core.params import Curate
from sftlib.core.records import Labeled, Record, duplicate_key, normalise, opening_text, record_text
from sftlib.curate.clusters import Clusters
from sftlib.curate.near import drop_near, join_near
from sftlib.curate.place import place_of
from sftlib.curate.rivals import drop_contradictions, drop_same_prompt
from sftlib.curate.shingles import Shingler
from sftlib.curate.verdict import Duplicate, Standing, Verdict


def find_duplicates(
    records: list[Record], ids: list[str], standings: list[Standing], params: Curate
) -> Verdict:
    """Judge all rows; the verdict on a row does not depend on the order of the others.

    Of rows that compete one is kept: one that is held out, else that of the highest priority, the
    longest text, the smallest id. Rows of equal id are equal, and the first is kept.
    """
    lengths = [len(record_text(record)) for record in records]
    openings = [normalise(opening_text(record)) for record in records]

    def order(row: int) -> tuple[bool, int, int, str, int]:
        standing = standings[row]
        return (not standing.held_out, -standing.priority, -lengths[row], ids[row], row)

    rank = sorted(range(len(records)), key=order)
    duplicates, groups = exact_duplicates(records, rank)
    distinct = [row for row in rank if row not in duplicates]
    clusters = join_clusters(openings, standings, duplicates)
    votes = {rows[0]: len(rows) for rows in groups}
    duplicates |= drop_contradictions(records, distinct, votes, params.contradictions)
    if params.same_prompt == "keep_best":
        duplicates |= drop_same_prompt(records, openings, distinct, duplicates)
    checked = 0
    if params.near_duplicates is not None:
        near = NearSearch(records, distinct, params.near_duplicates.threshold)
        checked = near.join(Shingler(params.near_duplicates.ngram), clusters)
        duplicates |= near.duplicates(duplicates)
    kept = {row: found for row, found in duplicates.items() if not standings[row].held_out}
    copies = {
        "text": Counter(len(rows) for rows in groups),
        "prompt": Counter(Counter(openings).values()),
    }
    places, count = places_of(openings, standings, clusters)
    return Verdict(kept, places, copies, count, checked)


def exact_duplicates(
    records: list[Record], rank: list[int]
) -> tuple[dict[int, Duplicate], list[list[int]]]:
    """Dropped row -> its keeper, and the groups of equal rows, each with its keeper first."""
    groups: dict[str, list[int]] = defaultdict(list)
    for row in rank:
        groups[duplicate_key(records[row])].append(row)
    found = {
        row: Duplicate("exact_duplicate", rows[0], "the normalised text is equal")
        for rows in groups.values()
        for row in rows[1:]
    }
    return found, list(groups.values())


def join_clusters(
    openings: list[str], standings: list[Standing], duplicates: dict[int, Duplicate]
) -> Clusters:
    """Exact duplicates, rows with one prompt and rows of one group belong together."""
    clusters = Clusters(len(openings))
    for row, duplicate in duplicates.items():
        if duplicate.keeper is not None:
            clusters.join(row, duplicate.keeper)
    first_of_opening: dict[str, int] = {}
    first_of_group: dict[str, int] = {}
    for row, opening in enumerate(openings):
        clusters.join(row, first_of_opening.setdefault(opening, row))
        group = standings[row].group
        if group is not None:
            clusters.join(row, first_of_group.setdefault(group, row))
    return clusters


def places_of(
    openings: list[str], standings: list[Standing], clusters: Clusters
) -> tuple[list[float], int]:
    """The place of each row: the lowest of its cluster's; and the count of clusters."""
    places, groups = [0.0] * len(openings), clusters.groups()
    for group in groups:
        lowest = min(place_of(opening) for opening in {openings[row] for row in group})
        if any(standings[row].held_out for row in group):
            lowest -= 1
        for row in group:
            places[row] = lowest
    return places, len(groups)


class NearSearch:
    """Near-duplicates among the distinct rows of a pool, which are given best first."""

    def __init__(self, records: list[Record], distinct: list[int], threshold: float) -> None:
        self.records, self.distinct, self.threshold = records, distinct, threshold
        self.shingles: list[set[int]] = []
        self.alike = Clusters(len(distinct))

    def join(self, shingler: Shingler, clusters: Clusters) -> int:
        """Join near rows in `clusters` too; returns the pairs checked."""
        texts = (record_text(self.records[row]) for row in self.distinct)
        self.shingles = [shingler.shingles(text) for text in texts]
        checked = join_near(self.shingles, self.threshold, self.alike)
        for group in self.alike.groups():
            for member in group[1:]:
                clusters.join(self.distinct[group[0]], self.distinct[member])
        return checked

    def duplicates(self, dropped: dict[int, Duplicate]) -> dict[int, Duplicate]:
        """Those of the rows still kept that are near to a better one."""
        found: dict[int, Duplicate] = {}
        for group in self.alike.groups():
            kept = [member for member in group if self.distinct[member] not in dropped]
            for rivals in self.by_label(kept):
                near = drop_near(rivals, self.shingles, self.threshold)
                for row, (keeper, likeness) in near.items():
                    detail = f"Jaccard index {likeness:.3f}"
                    at = self.distinct[keeper]
                    found[self.distinct[row]] = Duplicate("near_duplicate", at, detail)
        return found

    def by_label(self, group: list[int]) -> list[list[int]]:
        """Parts of a group whose labels agree: near texts with two labels are both kept."""
        parts: dict[object, list[int]] = defaultdict(list)
        for member in group:
            record = self.records[self.distinct[member]]
            parts[record.label if isinstance(record, Labeled) else None].append(member)
        return list(parts.values())
