"""Rows that say different things to the same: one text with several labels, one prompt with
several answers.

A row is known by its number; `distinct` lists the rows without exact duplicates, best first.
"""

from collections import Counter, defaultdict

from sftlib.curate.survey import Pool
from sftlib.curate.verdict import Duplicate


def drop_contradictions(
    pool: Pool, distinct: list[int], votes: dict[int, int], policy: str
) -> dict[int, Duplicate]:
    """Labelled rows whose text has other labels too, as `policy` has it.

    votes: how many copies of each distinct row there were. `majority` keeps the label with the
    most; where two have as many, and always with `drop`, none is kept; `keep` keeps all.
    """
    if policy == "keep":
        return {}
    groups: dict[int, list[int]] = defaultdict(list)
    for row in distinct:
        if pool.labels[row] is not None:  # the opening of a labelled row is its text
            groups[int(pool.openings[row])].append(row)
    found: dict[int, Duplicate] = {}
    for rivals in groups.values():
        if len(rivals) > 1:
            found |= judge(pool, rivals, votes, policy)
    return found


def judge(
    pool: Pool, rivals: list[int], votes: dict[int, int], policy: str
) -> dict[int, Duplicate]:
    """The verdict on distinct rows of one text, which have as many labels."""
    counts = Counter({str(pool.labels[row]): votes[row] for row in rivals})
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
    pool: Pool, distinct: list[int], dropped: dict[int, Duplicate]
) -> dict[int, Duplicate]:
    """All but the best of the conversations that begin with one prompt."""
    best: dict[int, int] = {}
    found: dict[int, Duplicate] = {}
    for row in distinct:
        if row in dropped or pool.labels[row] is not None:
            continue
        keeper = best.setdefault(int(pool.openings[row]), row)
        if keeper != row:
            found[row] = Duplicate("same_prompt", keeper, "the prompt has a better answer")
    return found
