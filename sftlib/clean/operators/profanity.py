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
def pattern() -> re.Pattern[str]:
    """English words stand alone, with their endings; Chinese has no spaces to tell words by."""
    listed = [line for line in WORDS.read_text("utf-8").split("\n") if line and line[0] != "#"]
    english = "|".join(word for word in listed if word.isascii())
    chinese = "|".join(word for word in listed if not word.isascii())
    return re.compile(rf"\b(?:{english})(?:s|es|ed|er|ers|ing|y)?\b|{chinese}", re.IGNORECASE)


def profanity(params: Profanity) -> Check:
    """Rows with a word of profanity.txt are flagged, never changed: `oh shit` -> `profanity`."""
    flagged = Verdict(flags=(Flag.PROFANITY,))

    def judge(view: View) -> Verdict | None:
        return flagged if any(map(pattern().search, view.texts)) else None

    return Check(params.name, judge)
