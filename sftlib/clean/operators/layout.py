"""Operators on white space and on phrases that answers begin or end with."""

import re
from collections.abc import Sequence

from sftlib.clean.operators.steps import Mend
from sftlib.core.operators import Boilerplate, WhiteSpace

BLANK_LINES = re.compile(r"\n{4,}")

OPENINGS = (
    "Sure!",
    "Sure thing!",
    "Certainly!",
    "Of course!",
    "Absolutely!",
    "Great question!",
    "当然！",
    "当然可以！",
    "好的！",
    "没问题！",
)
CLOSINGS = (
    "I hope this helps!",
    "I hope this helps.",
    "Hope this helps!",
    "Let me know if you have any other questions!",
    "Let me know if you have any other questions.",
    "Let me know if you need anything else!",
    "Feel free to ask if you have any other questions.",
    "Is there anything else I can help you with?",
    "希望这对你有帮助！",
    "希望这对您有帮助！",
    "希望这些信息对你有帮助。",
    "希望这些信息对您有帮助。",
    "如果你还有其他问题，请随时告诉我。",
    "如果您还有其他问题，请随时告诉我。",
)


def white_space(params: WhiteSpace) -> Mend:
    r"""Space at line ends and around the text goes, two blank lines stay: `  a \n` -> `  a`.

    Indentation, the space inside lines and two blank lines (as between functions) are kept.
    """
    return Mend(params.name, tidy)


def tidy(text: str) -> str:
    if "\n" not in text:
        return text.rstrip()
    lines = "\n".join([line.rstrip() for line in text.split("\n")]).strip("\n")
    return BLANK_LINES.sub("\n\n\n", lines)


def boilerplate(params: Boilerplate) -> Mend:
    """Phrases that answers open or close with go: `Sure! It is 4.` -> `It is 4.`

    Upper and lower case count as equal. A closing phrase must follow the end of a sentence, and an
    answer that is nothing but a phrase stays.
    """
    start = opening_pattern(OPENINGS if params.openings is None else params.openings)
    closings = CLOSINGS if params.closings is None else params.closings
    end, longest = closing_pattern(closings), max(map(len, closings), default=0)

    def strip_phrases(text: str) -> str:
        while True:
            opening, tail = start.match(text), len(text.rstrip())
            closing = end.search(text, max(0, tail - longest), tail)
            rest = text[opening.end() if opening else 0 : closing.start() if closing else None]
            if rest == text or not rest.strip():
                return text
            text = rest.rstrip()

    return Mend(params.name, strip_phrases, roles=("assistant",))


def opening_pattern(phrases: Sequence[str]) -> re.Pattern[str]:
    # A phrase that ends in a letter ends a word; after a mark, Chinese goes on without a space.
    return re.compile(rf"\s*(?:{choice_of(phrases)})(?:(?<=\W)|(?!\w))\s*", re.IGNORECASE)


def closing_pattern(phrases: Sequence[str]) -> re.Pattern[str]:
    ends = r"(?<=[.!?)*`。！？）\n])|(?<=[.!?)*`。！？）] )"
    return re.compile(rf"(?:{ends})(?:{choice_of(phrases)})\Z", re.IGNORECASE)


def choice_of(phrases: Sequence[str]) -> str:
    """The longest first: of two phrases that fit, the whole one goes."""
    return "|".join(re.escape(p) for p in sorted(phrases, key=len, reverse=True)) or r"(?!)"
