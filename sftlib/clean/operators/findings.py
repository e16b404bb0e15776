"""What detectors of personal data and of secrets find, and the three things to do about it."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
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


@dataclass(frozen=True)
class Search:
    """What to find, the first one first, in texts of which a cheap `hint` says that it may be."""

    finds: tuple[Find, ...]
    hint: Callable[[str], bool]
    reason: Removal
    flag: Flag


def acting(name: str, action: Action, search: Search) -> Step:
    """The step that redacts, drops or flags what is found."""
    finds, hint = search.finds, search.hint
    if action == "redact":
        return Mend(name, lambda text: redact(text, finds) if hint(text) else text)

    def judge(view: View) -> Verdict | Drop | None:
        texts = [text for text in view.texts if hint(text)]
        found = sorted({f.kind for text in texts for find in finds for f in find(text)})
        if not found:
            return None
        if action == "drop":
            return Drop(search.reason, f"holds {', '.join(found)}")
        return Verdict(flags=tuple(f"{search.flag}_{kind}" for kind in found))

    return Check(name, judge)


def redact(text: str, finds: Iterable[Find]) -> str:
    """`text` with a placeholder for each finding: `[EMAIL]`."""
    for find in finds:
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
