"""The closed set of reasons for which a row is dropped or changed while it is cleaned."""

from enum import StrEnum


class Reason(StrEnum):
    """Why a row was dropped."""

    NOT_UTF8 = "not_utf8"
    LINE_TOO_LONG = "line_too_long"
    BROKEN_JSON = "broken_json"
    DUPLICATE_KEY = "duplicate_key"
    RAGGED_ROW = "ragged_row"
    MISSING_FIELD = "missing_field"
    WRONG_TYPE = "wrong_type"
    EMPTY_TEXT = "empty_text"
    NUL_CHARACTER = "nul_character"
    UNKNOWN_ROLE = "unknown_role"
    ROLE_ORDER = "role_order"
    NO_ANSWER = "no_answer"
    BAD_TOOL_CALL = "bad_tool_call"
    UNKNOWN_LABEL = "unknown_label"
    BAD_TAGS = "bad_tags"


class Change(StrEnum):
    """What was changed in a row that was kept."""

    UNANSWERED_TURN_CUT = "unanswered_turn_cut"
