"""The user's own patterns, through RE2: linear time whatever the pattern."""

from typing import Any

from sftlib.clean.operators.steps import Check, Mend, Step
from sftlib.clean.operators.view import PARTS, View
from sftlib.clean.reasons import Removal
from sftlib.core.operators import Regex
from sftlib.core.replacement import filler
from sftlib.core.tally import Drop


def regex(params: Regex) -> Step:
    r"""Rows that match, or do not, are dropped; or matches are replaced: `\d{4}` by `YEAR`."""
    import re2

    pattern = re2.compile(params.pattern)
    return replacing(params, pattern) if params.action == "replace" else judging(params, pattern)


def replacing(params: Regex, pattern: Any) -> Mend:
    fill = filler(params.replacement or "")
    return Mend(params.name, lambda text: str(pattern.sub(fill, text)), PARTS[params.of])


def judging(params: Regex, pattern: Any) -> Check:
    wanted = params.action == "drop_unless_match"

    def find(view: View) -> Drop | None:
        texts = view.part(params.of)
        matched = [n for n, text in texts if pattern.search(text)]
        if bool(matched) == wanted:
            return None
        where = f"turn {matched[0]} matches" if matched else f"no turn of the {params.of} matches"
        return Drop(Removal.REGEX, f"{where} {params.pattern!r}")

    return Check(params.name, find)
