"""The closed sets of reasons for which a row is dropped, changed or flagged while it is cleaned."""

from enum import StrEnum


class Reason(StrEnum):
    """Why a row was dropped as faulty: it cannot be learned from."""

    NOT_UTF8 = "not_utf8"
    LINE_TOO_LONG = "line_too_long"
    BROKEN_JSON = "broken_json"
    DUPLICATE_KEY = "duplicate_key"
    BROKEN_QUOTES = "broken_quotes"
    RAGGED_ROW = "ragged_row"
    MISSING_FIELD = "missing_field"
    WRONG_TYPE = "wrong_type"
    EMPTY_TEXT = "empty_text"
    NUL_CHARACTER = "nul_character"
    UNKNOWN_ROLE = "unknown_role"
    ROLE_ORDER = "role_order"
    NO_ANSWER = "no_answer"
    BAD_TOOL_CALL = "bad_tool_call"
    BAD_MARK = "bad_mark"
    UNKNOWN_LABEL = "unknown_label"
    BAD_TAGS = "bad_tags"


class Removal(StrEnum):
    """Why an operator dropped a sound row: `clean.operators` does not want it."""

    EMPTIED = "emptied"
    TOO_SHORT = "too_short"
    TOO_LONG = "too_long"
    REPETITIVE = "repetitive"
    LANGUAGE = "language"
    SCRIPT_MIX = "script_mix"
    REFUSAL = "refusal"
    EMPTY_ANSWER = "empty_answer"
    ECHO = "echo"
    TRUNCATED_ANSWER = "truncated_answer"
    URL_ONLY = "url_only"
    PII = "pii"
    SECRET = "secret"
    REGEX = "regex"


class Flag(StrEnum):
    """What was noted of a row that was kept; with `pii` or `secret` follows the kind."""

    PROFANITY = "profanity"
    PII = "pii"
    SECRET = "secret"


class Change(StrEnum):
    """What was changed in a row that was kept; mending operators add their own names."""

    UNANSWERED_TURN_CUT = "unanswered_turn_cut"
