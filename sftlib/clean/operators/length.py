"""Limits on characters, words and turns."""

import re
from collections.abc import Callable, Iterator

from sftlib.clean.operators.steps import Check
from sftlib.clean.operators.view import View
from sftlib.clean.reasons import Removal
from sftlib.core.operators import Length
from sftlib.core.tally import Drop
from sftlib.core.words import UNSPACED

CHARACTER_OF_ITS_OWN = re.compile(f"[{UNSPACED}]")


def count_words(text: str) -> int:
    """Words between spaces; in scripts without spaces each character is one.

    >>> count_words("It's 2 + 3, 你好")
    6
    """
    if text.isascii():
        return len(text.split())
    spaced, characters = CHARACTER_OF_ITS_OWN.subn(" ", text)
    return len(spaced.split()) + characters


UNITS: dict[str, Callable[[str], int]] = {"characters": len, "words": count_words}


def length(params: Length) -> Check:
    """Rows outside the limits are dropped; `min_words: 5` drops a row `Hi` / `Hello`."""
    limits = [
        (unit, measure, getattr(params, f"min_{unit}"), getattr(params, f"max_{unit}"))
        for unit, measure in UNITS.items()
    ]
    limits = [limit for limit in limits if limit[2:] != (None, None)]

    def find(view: View) -> Drop | None:
        drop = outside(len(view.texts), "turns", params.min_turns, params.max_turns)
        for what, text in measured(view, params.of) if limits and not drop else ():
            for unit, measure, low, high in limits:
                drop = outside(measure(text), unit, low, high)
                if drop:
                    return Drop(drop.reason, what + drop.detail)
        return drop

    return Check(params.name, find)


def measured(view: View, part: str) -> Iterator[tuple[str, str]]:
    """(Words that name it, text) of each text that is measured by itself."""
    if part == "row":
        yield "", "\n".join(view.texts)
    else:
        for number, text in view.part(part):
            yield f"turn {number} ({view.roles[number - 1]}): ", text


def outside(count: int, unit: str, low: int | None, high: int | None) -> Drop | None:
    if low is not None and count < low:
        return Drop(Removal.TOO_SHORT, f"{count:,} {unit}, fewer than {low:,}")
    if high is not None and count > high:
        return Drop(Removal.TOO_LONG, f"{count:,} {unit}, more than {high:,}")
    return None
