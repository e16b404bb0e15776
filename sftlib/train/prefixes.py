"""Rows that begin alike share the beginning: it is computed once, and every row attends to it.

The rows of a pack form a tree: a node is a run of tokens that all rows below it have in common. Its
hidden states depend on the tokens before it alone, so sharing changes neither loss nor gradients.

Source: tree training, arXiv 2511.00413; here for the rows of a pack, whose system prompts and tool
definitions are mostly the same.
"""

from collections import defaultdict
from dataclasses import dataclass

from sftlib.core.labels import NO_LOSS

# A shorter run costs more in calls than it saves in tokens.
MIN_SHARED_TOKENS = 8

Row = dict[str, list[int]]


@dataclass(frozen=True)
class Segment:
    """A run of tokens, start to end in the flat row, and the runs before it, outermost first.

    Two rows [1, 2, 3] and [1, 2, 4, 5] that share [1, 2] lie flat as [1, 2, 3, 4, 5]:
    shared = Segment(0, 2, ()), Segment(2, 3, (shared,)), Segment(3, 5, (shared,)).
    """

    start: int
    end: int
    context: "tuple[Segment, ...]"


@dataclass
class Layout:
    """Where the tokens of rows lie: segments, the tokens in them, and each row's own segment."""

    segments: list[Segment]
    tokens: list[tuple[int, int]]  # (row, position in it) of each place in the flat row
    own: dict[int, Segment]


def lay_out(rows: list[Row], share: bool) -> Layout:
    """Lay rows with `input_ids` and `labels` flat; runs that are shared have no labels."""
    layout = Layout([], [], {})
    if share:
        firsts = [first_label(row) for row in rows]
        add_rows(layout, rows, firsts, list(range(len(rows))), 0, ())
    else:
        for number, row in enumerate(rows):
            layout.own[number] = add_segment(layout, number, 0, len(row["input_ids"]), ())
    return layout


def first_label(row: Row) -> int:
    """What stands before it can be shared; a row without labels counts to its last token."""
    last = len(row["input_ids"]) - 1
    return next((n for n, label in enumerate(row["labels"]) if label != NO_LOSS), last)


def add_rows(
    layout: Layout,
    rows: list[Row],
    firsts: list[int],
    numbers: list[int],
    start: int,
    context: tuple[Segment, ...],
) -> None:
    """Lay the rest, from `start` on, of rows that agree before it."""
    for group in by_next_token(rows, numbers, start):
        end = common_end(rows, firsts, group, start) if len(group) > 1 else start
        if end - start >= MIN_SHARED_TOKENS:
            shared = add_segment(layout, group[0], start, end, context)
            add_rows(layout, rows, firsts, group, end, (*context, shared))
        else:
            for number in group:
                end = len(rows[number]["input_ids"])
                layout.own[number] = add_segment(layout, number, start, end, context)


def by_next_token(rows: list[Row], numbers: list[int], start: int) -> list[list[int]]:
    groups: dict[int, list[int]] = defaultdict(list)
    for number in numbers:
        groups[rows[number]["input_ids"][start]].append(number)
    return list(groups.values())


def common_end(rows: list[Row], firsts: list[int], group: list[int], start: int) -> int:
    """Where the tokens that all rows of `group` share, and that none of them learns, end."""
    end = min(firsts[number] for number in group)
    first = rows[group[0]]["input_ids"]
    for number in group[1:]:
        ids = rows[number]["input_ids"]
        position = start
        while position < end and ids[position] == first[position]:
            position += 1
        end = position
    return max(end, start)


def add_segment(
    layout: Layout, number: int, start: int, end: int, context: tuple[Segment, ...]
) -> Segment:
    at = len(layout.tokens)
    layout.tokens += [(number, position) for position in range(start, end)]
    segment = Segment(at, at + end - start, context)
    layout.segments.append(segment)
    return segment
