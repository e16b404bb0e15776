"""Answers that go round in circles."""

import re

from sftlib.clean.operators.length import CHARACTER_OF_ITS_OWN
from sftlib.clean.operators.steps import Check
from sftlib.clean.operators.view import View
from sftlib.clean.reasons import Removal
from sftlib.core.operators import Repetition
from sftlib.core.tally import Drop
from sftlib.core.words import words

LETTER = re.compile(r"[^\W\d_]")
MIN_LINES = 6


def repetition(params: Repetition) -> Check:
    """Answers that mostly repeat themselves are dropped: `I am here. I am here. ...`

    Measured on each answer of at least `min_words` words: the share of lines, and of n-grams of
    words, that stood before (Rae et al. 2021, arXiv 2112.11446, with far milder limits). Lines and
    words without letters, such as numbers, rules of tables and braces, are not counted.
    """

    def find(view: View) -> Drop | None:
        texts = view.part("answer") or view.part("row")
        return next((drop for _, text in texts if (drop := repeated(text, params))), None)

    return Check(params.name, find)


def repeated(text: str, params: Repetition) -> Drop | None:
    found = spoken_words(text)
    if len(found) < params.min_words:
        return None
    lines = [line.strip() for line in text.split("\n") if LETTER.search(line)]
    share = repeated_share(lines)
    if len(lines) >= MIN_LINES and share > params.max_line_share:
        return Drop(Removal.REPETITIVE, f"{share:.2f} of {len(lines)} lines stood before")
    count = len(found) - params.ngram + 1
    # Few words repeat at all in most texts: then too few n-grams can.
    if len(set(found)) - params.ngram >= (1 - params.max_ngram_share) * count:
        return None
    share = repeated_share([tuple(found[i : i + params.ngram]) for i in range(count)])
    if share > params.max_ngram_share:
        return Drop(Removal.REPETITIVE, f"{share:.2f} of {params.ngram}-grams stood before")
    return None


def spoken_words(text: str) -> list[str]:
    if CHARACTER_OF_ITS_OWN.search(text):
        return [word for word in words(text) if word.isalpha()]
    return [word for word in text.split() if LETTER.search(word)]


def repeated_share(items: list[str] | list[tuple[str, ...]]) -> float:
    return 1 - len(set(items)) / len(items) if items else 0.0
