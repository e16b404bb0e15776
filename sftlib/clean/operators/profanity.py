"""A flag for rows with profane words."""

import re
from functools import cache
from pathlib import Path

from sftlib.clean.operators.steps import Check, Verdict
from sftlib.clean.operators.view import View
from sftlib.clean.reasons import Flag
from sftlib.core.operators import Profanity

WORDS = Path(__file__).with_name("profanity.txt")


@cache
def listed() -> tuple[str, ...]:
    lines = WORDS.read_text("utf-8").split("\n")
    return tuple(line for line in lines if line and line[0] != "#")


@cache
def pattern() -> re.Pattern[str]:
    """English words stand alone, with their endings; Chinese has no spaces to tell words by."""
    english = "|".join(word for word in listed() if word.isascii())
    chinese = "|".join(word for word in listed() if not word.isascii())
    return re.compile(rf"\b(?:{english})(?:s|es|ed|er|ers|ing|y)?\b|{chinese}", re.IGNORECASE)


def profanity(params: Profanity) -> Check:
    """Rows with a word of profanity.txt are flagged, never changed: `oh shit` -> `profanity`."""
    flagged = Verdict(flags=(Flag.PROFANITY,))

    def judge(view: View) -> Verdict | None:
        return flagged if any(map(is_profane, view.texts)) else None

    return Check(params.name, judge)


def is_profane(text: str) -> bool:
    lowered = text.lower()
    # Only a text that holds the letters is worth a look at where words begin and end.
    return any(word in lowered for word in listed()) and pattern().search(text) is not None
