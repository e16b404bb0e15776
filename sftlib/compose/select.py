"""Choose a number of rows: by lot, by length, by how much the prompt helps, or for diversity."""

from pathlib import Path

from sftlib.compose.amounts import Row, drawn
from sftlib.core.params import Params
from sftlib.core.records import Chat, record_from_json, record_text
from sftlib.core.tally import Drop


def not_selected(rows: list[Row], params: Params, model: Path) -> dict[str, Drop]:
    """The rows that `compose.select` leaves out.

    model: folder of the model that scores (ifd) or embeds (diverse) the rows.
    """
    select = params.compose.select
    assert select is not None
    if select.method == "diverse":
        from sftlib.compose.diverse import farthest_first

        chosen = farthest_first(rows, select.rows, model, params.train)
    elif select.method == "ifd":
        from sftlib.compose.ifd import instruction_following_difficulty

        scores = instruction_following_difficulty(rows, model, params)
        # From 1 on the prompt does not help: it and the answer do not belong together.
        chosen = best(rows, [score if score < 1 else -score for score in scores], select.rows)
    elif select.method == "longest":
        chosen = best(rows, [float(answer_length(row)) for row in rows], select.rows)
    else:
        chosen = {row["id"] for row in drawn(rows, "select")[: select.rows]}
    detail = f"not among the {select.rows} rows chosen by {select.method}"
    return {row["id"]: Drop("not_selected", detail) for row in rows if row["id"] not in chosen}


def best(rows: list[Row], scores: list[float], count: int) -> set[str]:
    """Ids of the rows with the highest scores; equal ones by id."""
    order = sorted(range(len(rows)), key=lambda number: (-scores[number], rows[number]["id"]))
    return {rows[number]["id"] for number in order[:count]}


def answer_length(row: Row) -> int:
    """Characters of the answers: Zhao et al., "Long Is More for Alignment" (arXiv 2402.04833)."""
    record = record_from_json(row)
    if not isinstance(record, Chat):
        return len(record_text(record))
    return sum(len(m.content) for m in record.messages if m.role == "assistant")
