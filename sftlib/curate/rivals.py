"""Rows that say different things to the same: one text with several labels, one prompt with
several answers.

A row is known by its number; `distinct` lists the rows without exact duplicates, best first.
"""

from collections import Counter, defaultdict

from sftlib.core.records import Labeled, Record, normalise
from sftlib.curate.verdict import Duplicate


def drop_contradictions(
    records: list[Record], distinct: list[int], votes: dict[int, int], policy: str
) -> dict[int, Duplicate]:
    """Labelled rows whose text has other labels too, as `policy` has it.

    votes: how many copies of each distinct row there were. `majority` keeps the label with the
    most; where two have as many, and always with `drop`, none is kept; `keep` keeps all.
    """
    if policy == "keep":
        return {}
    found: dict[int, Duplicate] = {}
    for rivals in same_text(records, distinct):
        if len(rivals) > 1:
            found |= judge(records, rivals, votes, policy)
    return found


def same_text(records: list[Record], distinct: list[int]) -> list[list[int]]:
    """Distinct labelled rows by normalised text: more than one means more than one label."""
    groups: dict[str, list[int]] = defaultdict(list)
    for row in distinct:
        record = records[row]
        if isinstance(record, Labeled):
            groups[normalise(record.text)].append(row)
    return list(groups.values())


def judge(
    records: list[Record], rivals: list[int], votes: dict[int, int], policy: str
) -> dict[int, Duplicate]:
    counts: Counter[str] = Counter()
    for row in rivals:
        record = records[row]
        assert isinstance(record, Labeled)
        counts[str(record.label)] += votes[row]
    (_, most), (_, second) = counts.most_common(2)
    winner = None
    if policy == "majority" and most > second:
        winner = next(row for row in rivals if votes[row] == most)
    detail = "the text has the labels " + ", ".join(
        f"{label} ({count})" for label, count in sorted(counts.items())
    )
    return {
        row: Duplicate("contradictory_label", winner, detail) for row in rivals if row != winner
    }


def drop_same_prompt(
    records: list[Record], openings: list[str], distinct: list[int], dropped: dict[int, Duplicate]
) -> dict[int, Duplicate]:
    """All but the best of the conversations that begin with one prompt."""
    best: dict[str, int] = {}
    found: dict[int, Duplicate] = {}
    for row in distinct:
        if row in dropped or isinstance(records[row], Labeled):
            continue
        keeper = best.setdefault(openings[row], row)
        if keeper != row:
            found[row] = Duplicate("same_prompt", keeper, "the prompt has a better answer")
    return found
