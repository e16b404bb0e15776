"""Checks of answers: refusals, empty and echoing ones, ones that stop short, bare addresses."""

import re

from sftlib.clean.operators.length import count_words
from sftlib.clean.operators.steps import Check
from sftlib.clean.operators.view import View
from sftlib.clean.reasons import Removal
from sftlib.core.operators import Echo, EmptyAnswer, Refusals, TruncatedAnswer, UrlOnly
from sftlib.core.records import normalise
from sftlib.core.tally import Drop

# Refusals stand at the beginning of an answer; further on "I cannot provide" belongs to a story.
OPENING_CHARACTERS = 160
REFUSAL = re.compile(
    r"\A\W*(?:(?:i['’]?m|i am) (?:very |really |so |truly )?(?:sorry|afraid)[,.]? (?:but |that )?"
    r"|sorry[,.]? (?:but )?|unfortunately,? |i apologi[sz]e,? (?:but )?)?"
    r"i (?:can['’]?t|cannot|can not|won['’]?t|will not|am (?:unable|not able) to|['’]m unable to)"
    r" (?:assist|help you with|help with|provide|fulfil|comply|generate|engage|participate"
    r"|support or|create (?:content|material)|answer (?:that|this)|do that)\b",
    re.IGNORECASE,
)
AS_AN_AI = re.compile(
    r"\b(?:as an?|i['’]?m (?:just |only )?an?|i am (?:just |only )?an?) "
    r"(?:ai|artificial intelligence)(?: language| chat)? ?(?:model|assistant|bot)?"
    r"(?:(?: (?:trained|developed|created|made) by \w+)?, i\b| and (?:i )?(?:do not|don['’]t|can))",
    re.IGNORECASE,
)
REFUSAL_ZH = re.compile(
    r"\A\W*(?:(?:很|非常|十分)?(?:抱歉|对不起|遗憾)[，,。！!]?\s*)?(?:但)?"
    r"我(?:无法|不能|没有办法|没办法)(?:为您|为你|给您|给你)?"
    r"(?:提供|回答|协助|帮助|满足|完成(?:这|该|您|你)|生成|执行(?:这|该|您|你))"
)
AS_AN_AI_ZH = re.compile(
    r"(?:作为|我(?:只)?是)(?:一个|一名|一种|一款)?(?:AI|人工智能)(?:语言)?(?:模型|助手|程序|机器人)[，,]\s*我",
    re.IGNORECASE,
)
PLACEHOLDERS = frozenset(
    ("nan", "null", "n/a", "undefined", "<noinput>", "no input", "[object object]", "...", "…")
)
VISIBLE = re.compile(r"[^\s\u00ad\u200b-\u200f\u2060\ufeff]")
URL = re.compile(r"(?:(?:https?://|www\.)[^\s<>]+[\s,;]*)+", re.IGNORECASE)
FENCE = re.compile(r"^ {0,3}(`{3,}|~{3,})", re.MULTILINE)
SENTENCE_END = re.compile(r"[.!?。！？][\s\"'”’)）]")
LIST_OR_CODE = re.compile(r"\s{4}|\s*(?:[-*+•|#>]|\d+[.)、])|.*[{};=]")
# Words that no English sentence ends with, and marks that no sentence ends with.
LONGEST_HANGING = len("s as well as")
HANGING = re.compile(
    r"(?:\b(?:the|an?|and|or|but|of|with|from|because|which|whose|their|our|your|my|its|into"
    r"|such as|as well as)|[,，、])\Z",
    re.IGNORECASE,
)


def refusals(params: Refusals) -> Check:
    """Answers that refuse, or speak as an AI, are dropped: `I'm sorry, but I can't assist ...`"""

    def find(view: View) -> Drop | None:
        for number, text in view.part("answer"):
            if match := refusal_in(text):
                return Drop(Removal.REFUSAL, f"turn {number} says {match[0].strip()[:60]!r}")
        return None

    return Check(params.name, find)


def refusal_in(text: str) -> re.Match[str] | None:
    opening, lowered = text[:OPENING_CHARACTERS], text.lower()
    found = REFUSAL.match(opening)
    if not found and (" ai" in lowered or " artificial" in lowered):
        found = AS_AN_AI.search(text)
    if found or text.isascii():
        return found
    return REFUSAL_ZH.match(opening) or AS_AN_AI_ZH.search(text)


def empty_answer(params: EmptyAnswer) -> Check:
    """Answers that only stand for one are dropped: `NaN`, `n/a`, `...`, invisible characters."""

    def find(view: View) -> Drop | None:
        for number, text in view.part("answer"):
            if len(text) < 40 and text.strip().lower() in PLACEHOLDERS:
                return Drop(Removal.EMPTY_ANSWER, f"turn {number} is only {text.strip()!r}")
            if not text.isascii() and text.strip() and not VISIBLE.search(text):
                return Drop(Removal.EMPTY_ANSWER, f"turn {number} has no visible character")
        return None

    return Check(params.name, find)


def echo(params: Echo) -> Check:
    """Answers that are the prompt, once or several times over, are dropped.

    Case and white space do not count. A short prompt may be said back: `Good night` is an answer.
    """

    def find(view: View) -> Drop | None:
        prompt = ""
        for number, (role, text) in enumerate(zip(view.roles, view.texts, strict=True), 1):
            if role == "assistant" and repeats(text, prompt, params.min_words):
                return Drop(Removal.ECHO, f"turn {number} only repeats turn {number - 1}")
            prompt = text if role == "user" else ""
        return None

    return Check(params.name, find)


def repeats(answer: str, prompt: str, min_words: int) -> bool:
    # The first characters rule out nearly every pair.
    if answer.lstrip()[:1].casefold() != prompt.lstrip()[:1].casefold() or not prompt:
        return False
    if count_words(prompt) < min_words:
        return False
    said = normalise(prompt)
    return not normalise(answer).replace(said, "").strip()


def truncated_answer(params: TruncatedAnswer) -> Check:
    """Last answers that stop short are dropped: an open code fence, or `... because of the`.

    Mild: an answer in prose must end in a word or mark that cannot end a sentence, and have ended
    one before. Lists, code and answers without a full stop are left alone.
    """

    def find(view: View) -> Drop | None:
        answers = view.part("answer")
        if not answers:
            return None
        number, text = answers[-1]
        if "```" in text and open_fence(text):
            return Drop(Removal.TRUNCATED_ANSWER, f"turn {number} leaves a code fence open")
        if hangs(text) and count_words(text) >= params.min_words:
            return Drop(
                Removal.TRUNCATED_ANSWER, f"turn {number} ends with {text.rstrip()[-20:]!r}"
            )
        return None

    return Check(params.name, find)


def open_fence(text: str) -> bool:
    """Whether a fence is never closed; only a fence of the same mark, as long or longer, closes."""
    fence = ""
    for mark in FENCE.findall(text):
        if not fence:
            fence = mark
        elif mark.startswith(fence):
            fence = ""
    return bool(fence)


def hangs(text: str) -> bool:
    last = text.rstrip().rpartition("\n")[2]
    if not HANGING.search(last[-LONGEST_HANGING:]) or LIST_OR_CODE.match(last):
        return False
    return SENTENCE_END.search(text) is not None


def url_only(params: UrlOnly) -> Check:
    """Rows with a text that is nothing but addresses are dropped: `https://example.org/a`."""

    def find(view: View) -> Drop | None:
        for number, text in enumerate(view.texts, 1):
            if URL.fullmatch(text.strip()):
                return Drop(Removal.URL_ONLY, f"turn {number} is only {text.strip()[:60]!r}")
        return None

    return Check(params.name, find)
