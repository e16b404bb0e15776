"""Run the prepared operators over one record, in their order."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from sftlib.clean.operators.steps import Mend, Step
from sftlib.clean.operators.view import View, view_of, with_texts
from sftlib.clean.reasons import Removal
from sftlib.core.records import Record
from sftlib.core.tally import Drop


@dataclass(slots=True)
class Notes:
    """What happened to a row on the way, for its line in the ledger."""

    changed: list[str] = field(default_factory=list)
    flags: list[str] = field(default_factory=list)
    language: str | None = None

    def to_json(self) -> dict[str, Any]:
        """Only what there is."""
        if not (self.changed or self.flags or self.language):
            return {}
        return {key: value for key, value in asdict(self).items() if value}


def operate(record: Record, steps: Sequence[Step], notes: Notes) -> Record | Drop:
    """The mended record, or why an operator dropped it; what happened goes to `notes`."""
    before = view = view_of(record)
    is_ascii = all(map(str.isascii, view.texts))
    for step in steps:
        if isinstance(step, Mend):
            if is_ascii and not step.to_ascii:
                continue
            result = mended(view, step)
            if isinstance(result, Drop):
                return result
            if result is not view:
                notes.changed.append(step.name)
                view = result
                is_ascii = all(map(str.isascii, view.texts))
        elif verdict := step.judge(view):
            if isinstance(verdict, Drop):
                return verdict
            notes.flags.extend(verdict.flags)
            notes.language = verdict.language or notes.language
            if verdict.drop:
                return verdict.drop
    return record if view is before else with_texts(record, view.texts)


def mended(view: View, step: Mend) -> View | Drop:
    """`view` itself where nothing changed; a drop where a mend left a text without content."""
    mend, roles = step.mend, step.roles
    if roles is None:
        texts = tuple(map(mend, view.texts))
    else:
        turns = zip(view.roles, view.texts, strict=True)
        texts = tuple([mend(text) if role in roles else text for role, text in turns])
    if texts == view.texts or step.spares(view):
        return view
    pairs = zip(view.texts, texts, strict=True)
    for number, (old, new) in enumerate(pairs, 1):
        if old.strip() and not new.strip():
            at = f"turn {number} ({view.roles[number - 1]})"
            return Drop(Removal.EMPTIED, f"{at} is empty after {step.name}")
    return View(view.roles, texts)
