"""What becomes of each row of the train split, decided before any is written."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

from sftlib.compose.amounts import Row, over_balance, over_caps, times
from sftlib.compose.augment import Known, Made, augment
from sftlib.compose.pseudo_labels import Guess, label_texts, with_label
from sftlib.compose.select import not_selected
from sftlib.core.params import Params
from sftlib.core.tally import Drop


@dataclass(frozen=True)
class Plan:
    """By the id of a row: why it is dropped, the label that was guessed for it, how often it comes
    if it is kept, and what was made of it.
    """

    drops: dict[str, Drop]
    guesses: dict[str, Guess]
    times: dict[str, int]
    made: dict[str, list[Made]]


def plan(
    rows: list[Row], held_out: Callable[[], Iterable[Row]], model: Path, params: Params
) -> Plan:
    """Decide on all rows; each step sees what the former ones left.

    held_out: reads validation and test, which no new row may repeat.
    """
    found = label_texts(rows, params, model)
    labelled = [
        with_label(row, found.guesses[row["id"]]) if row["id"] in found.guesses else row
        for row in rows
        if row["id"] not in found.drops
    ]
    drops = found.drops | choose(labelled, model, params)
    weights = params.compose.weights or {}
    counts = {row["id"]: times(row, weights) for row in labelled if row["id"] not in drops}
    for row in labelled:
        if counts.get(row["id"]) == 0:
            detail = f"compose.weights of {row['source']} is below 1"
            drops[row["id"]] = Drop("thinned", detail)
    made: dict[str, list[Made]] = {}
    if params.compose.augment:
        kept = [row for row in labelled if row["id"] not in drops]
        known = Known(rows, held_out())
        made = augment(kept, params.compose.augment, known, model)
    return Plan(drops, found.guesses, counts, made)


def choose(rows: list[Row], model: Path, params: Params) -> dict[str, Drop]:
    """Id -> why it is dropped; each step chooses among what the former ones left."""
    compose = params.compose
    drops: dict[str, Drop] = {}

    def left() -> list[Row]:
        return [row for row in rows if row["id"] not in drops]

    if compose.select is not None:
        drops |= not_selected(left(), params, model)
    if compose.balance_labels:
        drops |= over_balance(left())
    return drops | over_caps(left(), compose.caps or {})
