"""Look into a parsed row; what is not as it should be becomes a drop that says so."""

import difflib
from typing import Any

from sftlib.clean.reasons import Reason
from sftlib.core.tally import Drop


def text_at(value: Any, key: str) -> str | Drop:
    """The text at `key` of the object `value`."""
    if not isinstance(value, dict):
        return not_an_object(value)
    if key not in value:
        return missing(key, value)
    if not isinstance(value[key], str):
        return Drop(Reason.WRONG_TYPE, f"'{key}' is a text, not {kind(value[key])}")
    return str(value[key])


def list_at(value: Any, key: str) -> list[Any] | Drop:
    """The list at `key` of the object `value`."""
    if not isinstance(value, dict):
        return not_an_object(value)
    if key not in value:
        return missing(key, value)
    if not isinstance(value[key], list):
        return Drop(Reason.WRONG_TYPE, f"'{key}' is a list, not {kind(value[key])}")
    return list(value[key])


def not_an_object(value: Any) -> Drop:
    return Drop(Reason.WRONG_TYPE, f"a row is an object, not {kind(value)}")


def missing(key: str, value: dict[str, Any]) -> Drop:
    close = difflib.get_close_matches(key, [str(name) for name in value], n=1)
    hint = f"; did you mean '{close[0]}'?" if close else ""
    present = ", ".join(f"'{name}'" for name in list(value)[:6]) or "none"
    return Drop(Reason.MISSING_FIELD, f"no '{key}' among the fields {present}{hint}")


def kind(value: Any) -> str:
    names = {dict: "an object", list: "a list", str: "a text", bool: "true or false"}
    return "null" if value is None else names.get(type(value), "a number")
