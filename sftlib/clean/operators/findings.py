"""What detectors of personal data and of secrets find, and the three things to do about it."""

from collections.abc import Callable, Iterable, Iterator
from typing import NamedTuple, TypeAlias

from sftlib.clean.operators.steps import Check, Mend, Step, Verdict
from sftlib.clean.operators.view import View
from sftlib.clean.reasons import Flag, Removal
from sftlib.core.operators import Action
from sftlib.core.tally import Drop


class Finding(NamedTuple):
    """Characters start to end of a text hold something of a kind."""

    start: int
    end: int
    kind: str


Find: TypeAlias = Callable[[str], Iterable[Finding]]


def acting(name: str, action: Action, finds: Iterable[Find], reason: Removal, flag: Flag) -> Step:
    """The step that redacts, drops or flags what any of `finds` finds, the first one first."""
    detectors = tuple(finds)
    if action == "redact":
        return Mend(name, lambda text: redact(text, detectors))

    def judge(view: View) -> Verdict | Drop | None:
        found = sorted({f.kind for text in view.texts for find in detectors for f in find(text)})
        if not found:
            return None
        if action == "drop":
            return Drop(reason, f"holds {', '.join(found)}")
        return Verdict(flags=tuple(f"{flag}_{kind}" for kind in found))

    return Check(name, judge)


def redact(text: str, detectors: Iterable[Find]) -> str:
    """`text` with a placeholder for each finding: `[EMAIL]`."""
    for find in detectors:
        text = "".join(pieces(text, find(text)))
    return text


def pieces(text: str, findings: Iterable[Finding]) -> Iterator[str]:
    done = 0
    for finding in sorted(findings):
        if finding.start >= done:
            yield text[done : finding.start]
            yield f"[{finding.kind.upper()}]"
            done = finding.end
    yield text[done:]
