"""Which function prepares which operator."""

from collections.abc import Callable
from typing import Any

from sftlib.clean.operators.answers import echo, empty_answer, refusals, truncated_answer, url_only
from sftlib.clean.operators.characters import control_characters, nfc, repair_unicode
from sftlib.clean.operators.credentials import secrets
from sftlib.clean.operators.language import language, script_mix
from sftlib.clean.operators.layout import boilerplate, white_space
from sftlib.clean.operators.length import length
from sftlib.clean.operators.markup import html_to_text
from sftlib.clean.operators.patterns import regex
from sftlib.clean.operators.personal import pii
from sftlib.clean.operators.profanity import profanity
from sftlib.clean.operators.repetition import repetition
from sftlib.clean.operators.steps import Step
from sftlib.core import operators as params

OPERATORS: dict[type[Any], Callable[[Any], Step]] = {
    params.RepairUnicode: repair_unicode,
    params.Nfc: nfc,
    params.ControlCharacters: control_characters,
    params.HtmlToText: html_to_text,
    params.WhiteSpace: white_space,
    params.Boilerplate: boilerplate,
    params.Length: length,
    params.Repetition: repetition,
    params.Language: language,
    params.ScriptMix: script_mix,
    params.Refusals: refusals,
    params.EmptyAnswer: empty_answer,
    params.Echo: echo,
    params.TruncatedAnswer: truncated_answer,
    params.UrlOnly: url_only,
    params.Profanity: profanity,
    params.Pii: pii,
    params.Secrets: secrets,
    params.Regex: regex,
}


def prepare(operators: tuple[params.Operator, ...] | None) -> list[Step]:
    """The steps of a list of operators; patterns and models are made ready once, here."""
    return [OPERATORS[type(operator)](operator) for operator in operators or ()]
