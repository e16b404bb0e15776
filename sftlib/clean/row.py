"""One row: from the value that was read to a sound record, and to its line on disk."""

from collections.abc import Sequence
from typing import Any

import orjson

from sftlib.clean.checks import fault, mend
from sftlib.clean.fields import missing
from sftlib.clean.formats import FORMATS
from sftlib.clean.operators.apply import Notes, operate
from sftlib.clean.operators.steps import Step
from sftlib.clean.reasons import Reason
from sftlib.core.params import Source
from sftlib.core.records import Record, digest, record_json
from sftlib.core.tally import Drop


def clean_row(
    given: Any, name: str, source: Source, steps: Sequence[Step], notes: Notes
) -> tuple[str, bytes] | Drop:
    """The id and the line of a row, or why it was dropped; what happened goes to `notes`."""
    value = renamed(given, source.columns)
    try:
        record = sound(parsed(value, source), notes)
        record = record if isinstance(record, Drop) else operate(record, steps, notes)
        return record if isinstance(record, Drop) else row_line(record, name, value, source.meta)
    except orjson.JSONEncodeError as error:
        return Drop(Reason.WRONG_TYPE, f"the row cannot be written as JSON: {error}")


def parsed(value: Any, source: Source) -> Record | Drop:
    """The record that a value is in the format of its source."""
    return value if isinstance(value, Drop) else FORMATS[source.format].parse(value, source)


def sound(record: Record | Drop, notes: Notes) -> Record | Drop:
    """The record without what cannot be learned, or its fault."""
    if isinstance(record, Drop):
        return record
    mended, changes = mend(record)
    notes.changed += changes
    return fault(mended) or mended


def row_line(
    record: Record, name: str, value: Any, meta: tuple[str, ...] | None
) -> tuple[str, bytes]:
    """{"id": ..., "source": ..., "meta": ..., then the fields of the record}, made JSON once."""
    body = record_json(record)
    id = digest(body)
    kept = {"meta": {key: value[key] for key in meta if key in value}} if meta else {}
    head = orjson.dumps({"id": id, "source": name} | kept)
    return id, b"%b,%b\n" % (head[:-1], body[1:])


def renamed(value: Any, columns: dict[str, str] | None) -> Any:
    """The row with its fields under our names; a drop when one that is named is missing."""
    if columns is None or not isinstance(value, dict):
        return value
    absent = next((theirs for theirs in columns.values() if theirs not in value), None)
    if absent is not None:
        return missing(absent, value)
    return value | {ours: value[theirs] for ours, theirs in columns.items()}
