"""Run the prepared operators over one record, in their order."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from sftlib.clean.operators.steps import Mend, Step
from sftlib.clean.operators.view import View, view_of, with_texts
from sftlib.clean.reasons import Removal
from sftlib.core.records import Record
from sftlib.core.tally import Drop


@dataclass
class Notes:
    """What happened to a row on the way, for its line in the ledger."""

    changed: list[str] = field(default_factory=list)
    flags: list[str] = field(default_factory=list)
    language: str | None = None

    def to_json(self) -> dict[str, Any]:
        """Only what there is."""
        return {key: value for key, value in vars(self).items() if value}


def operate(record: Record, steps: Sequence[Step], notes: Notes) -> Record | Drop:
    """The mended record, or why an operator dropped it; what happened goes to `notes`."""
    before = view = view_of(record)
    for step in steps:
        if isinstance(step, Mend):
            result = mended(view, step)
            if isinstance(result, Drop):
                return result
            if result is not view:
                notes.changed.append(step.name)
                view = result
            continue
        verdict = step.judge(view)
        notes.flags.extend(verdict.flags)
        notes.language = verdict.language or notes.language
        if verdict.drop:
            return verdict.drop
    return record if view is before else with_texts(record, view.texts)


def mended(view: View, step: Mend) -> View | Drop:
    """`view` itself where nothing changed; a drop where a mend left a text without content."""
    texts = tuple(map(step.mend, view.texts)) if step.roles is None else mend_roles(view, step)
    if texts == view.texts or step.spares(view):
        return view
    pairs = zip(view.texts, texts, strict=True)
    for number, (old, new) in enumerate(pairs, 1):
        if old.strip() and not new.strip():
            at = f"turn {number} ({view.roles[number - 1]})"
            return Drop(Removal.EMPTIED, f"{at} is empty after {step.name}")
    return replace(view, texts=texts)


def mend_roles(view: View, step: Mend) -> tuple[str, ...]:
    pairs = zip(view.roles, view.texts, strict=True)
    return tuple([step.mend(text) if role in (step.roles or ()) else text for role, text in pairs])
