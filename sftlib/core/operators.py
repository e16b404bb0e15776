"""The cleaning operators that params.yaml can list: their names, params and defaults.

`name` tells them apart. What each does stands in sftlib/clean/operators and docs/operators.md.
"""

import dataclasses
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Annotated, Literal, TypeAlias

from sftlib.core.config import Bounds, Pattern, suggestion
from sftlib.core.languages import LANGUAGES
from sftlib.core.replacement import pattern_fault, replacement_faults

Count = Annotated[int, Bounds(0)]
Share = Annotated[float, Bounds(0, 1)]
Country = Annotated[str, Pattern("[A-Z]{2}", "a country in two capitals, such as US")]
Action: TypeAlias = Literal["redact", "drop", "flag"]
Part: TypeAlias = Literal["row", "prompt", "answer"]
Script: TypeAlias = Literal[
    "latin", "greek", "cyrillic", "hebrew", "arabic", "devanagari", "thai", "kana", "han", "hangul"
]


@dataclass(frozen=True)
class RepairUnicode:
    name: Literal["repair_unicode"] = "repair_unicode"


@dataclass(frozen=True)
class Nfc:
    name: Literal["nfc"] = "nfc"


@dataclass(frozen=True)
class ControlCharacters:
    name: Literal["control_characters"] = "control_characters"


@dataclass(frozen=True)
class HtmlToText:
    name: Literal["html_to_text"] = "html_to_text"


@dataclass(frozen=True)
class WhiteSpace:
    name: Literal["white_space"] = "white_space"


@dataclass(frozen=True)
class Boilerplate:
    """`null` stands for common phrases in English and Chinese, an empty list for none."""

    name: Literal["boilerplate"] = "boilerplate"
    openings: tuple[str, ...] | None = None
    closings: tuple[str, ...] | None = None


@dataclass(frozen=True)
class Length:
    """Limits are inclusive; with `of: prompt` or `answer` each such turn is measured by itself."""

    name: Literal["length"] = "length"
    of: Part = "row"
    min_characters: Count | None = None
    max_characters: Count | None = None
    min_words: Count | None = None
    max_words: Count | None = None
    min_turns: Count | None = None
    max_turns: Count | None = None


@dataclass(frozen=True)
class Repetition:
    """`ngram` is in words; answers of fewer than `min_words` words are not judged."""

    name: Literal["repetition"] = "repetition"
    max_line_share: Share = 0.6
    max_ngram_share: Share = 0.6
    ngram: Annotated[int, Bounds(1)] = 4
    min_words: Count = 30


@dataclass(frozen=True)
class Language:
    """Texts of fewer letters, and guesses of less confidence, are not judged."""

    keep: tuple[str, ...]
    name: Literal["language"] = "language"
    min_confidence: Share = 0.5
    min_letters: Count = 20


@dataclass(frozen=True)
class ScriptMix:
    """`max_share` is the share of letters that may belong to other scripts than `scripts`."""

    scripts: tuple[Script, ...]
    name: Literal["script_mix"] = "script_mix"
    max_share: Share = 0.3


@dataclass(frozen=True)
class Refusals:
    name: Literal["refusals"] = "refusals"


@dataclass(frozen=True)
class EmptyAnswer:
    name: Literal["empty_answer"] = "empty_answer"


@dataclass(frozen=True)
class Echo:
    """Prompts of fewer than `min_words` words are not judged: "Hi" may be answered by "Hi"."""

    name: Literal["echo"] = "echo"
    min_words: Count = 5


@dataclass(frozen=True)
class TruncatedAnswer:
    """Only an unclosed code fence is judged in answers of fewer than `min_words` words."""

    name: Literal["truncated_answer"] = "truncated_answer"
    min_words: Count = 30


@dataclass(frozen=True)
class UrlOnly:
    name: Literal["url_only"] = "url_only"


@dataclass(frozen=True)
class Profanity:
    name: Literal["profanity"] = "profanity"


@dataclass(frozen=True)
class Pii:
    """`countries` are those whose phone numbers are found without a leading +."""

    name: Literal["pii"] = "pii"
    kinds: tuple[Literal["email", "iban", "id_card", "card", "phone", "ip"], ...] = (
        "email",
        "iban",
        "id_card",
        "card",
        "phone",
        "ip",
    )
    countries: tuple[Country, ...] = ("US", "CN")
    action: Action = "redact"


@dataclass(frozen=True)
class Secrets:
    name: Literal["secrets"] = "secrets"
    action: Action = "redact"


@dataclass(frozen=True)
class Regex:
    r"""A pattern of RE2; `replacement` may name groups as `\1`."""

    pattern: str
    action: Literal["drop_if_match", "drop_unless_match", "replace"]
    name: Literal["regex"] = "regex"
    of: Part = "row"
    replacement: str | None = None


Operator: TypeAlias = (
    RepairUnicode
    | Nfc
    | ControlCharacters
    | HtmlToText
    | WhiteSpace
    | Boilerplate
    | Length
    | Repetition
    | Language
    | ScriptMix
    | Refusals
    | EmptyAnswer
    | Echo
    | TruncatedAnswer
    | UrlOnly
    | Profanity
    | Pii
    | Secrets
    | Regex
)


def operator_faults(operators: tuple[Operator, ...]) -> Iterator[tuple[str, str]]:
    """Yield (`[position].key`, fault) of what no single key can show to be wrong."""
    for i, operator in enumerate(operators):
        for field in dataclasses.fields(operator):
            if getattr(operator, field.name) == () and not isinstance(operator, Boilerplate):
                yield f"[{i}].{field.name}", "must name at least one"
        for key, message in faults_of(operator):
            yield f"[{i}]{key}", message


def faults_of(operator: Operator) -> Iterator[tuple[str, str]]:
    if isinstance(operator, Length):
        yield from length_faults(operator)
    elif isinstance(operator, Language):
        yield from language_faults(operator)
    elif isinstance(operator, Regex):
        yield from regex_faults(operator)
    elif isinstance(operator, Pii) and "phone" in operator.kinds:
        yield from country_faults(operator)
    elif isinstance(operator, Boilerplate):
        yield from phrase_faults(operator)


def length_faults(operator: Length) -> Iterator[tuple[str, str]]:
    limits = {k: v for k, v in vars(operator).items() if k[:4] in ("min_", "max_")}
    if all(limit is None for limit in limits.values()):
        yield "", f"needs one of {', '.join(limits)}"
    for unit in ("characters", "words", "turns"):
        low, high = limits[f"min_{unit}"], limits[f"max_{unit}"]
        if low is not None and high is not None and low > high:
            yield f".min_{unit}", f"must be at most max_{unit}"
    if operator.of != "row" and (operator.min_turns, operator.max_turns) != (None, None):
        yield ".of", "turns are those of the row"


def language_faults(operator: Language) -> Iterator[tuple[str, str]]:
    for code in operator.keep:
        if code not in LANGUAGES:
            hint = suggestion(code, LANGUAGES)
            yield ".keep", f"{code!r} is no language code that py3langid knows{hint}"


def phrase_faults(operator: Boilerplate) -> Iterator[tuple[str, str]]:
    for key, phrases in (("openings", operator.openings), ("closings", operator.closings)):
        if any(not phrase.strip() for phrase in phrases or ()):
            yield f".{key}", "a phrase is empty"


def country_faults(operator: Pii) -> Iterator[tuple[str, str]]:
    from phonenumbers import SUPPORTED_REGIONS

    for country in operator.countries:
        if country not in SUPPORTED_REGIONS:
            yield ".countries", f"{country!r} has no phone numbers; see ISO 3166"


def regex_faults(operator: Regex) -> Iterator[tuple[str, str]]:
    if (operator.replacement is not None) != (operator.action == "replace"):
        wanted = "needs" if operator.action == "replace" else "takes no"
        yield ".replacement", f"action {operator.action} {wanted} replacement"
    fault = pattern_fault(operator.pattern)
    if fault is not None:
        yield ".pattern", fault
    elif operator.replacement is not None:
        for fault in replacement_faults(operator.pattern, operator.replacement):
            yield ".replacement", fault
