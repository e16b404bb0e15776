"""Rows as they were before cleaning, read again at their places, and what each operator did."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import orjson

from sftlib.clean.formats import FORMATS, place
from sftlib.clean.jsonl import read_text_lines
from sftlib.clean.operators.apply import Notes, operate
from sftlib.clean.operators.steps import Step
from sftlib.clean.operators.table import prepare
from sftlib.clean.reasons import Change
from sftlib.clean.row import parsed, renamed, sound
from sftlib.clean.source import Job, resolve
from sftlib.core.errors import SftError
from sftlib.core.params import Params
from sftlib.core.records import Record, content_id, record_text
from sftlib.core.tally import Drop


@dataclass(frozen=True)
class Edit:
    """What one operator changed: all the text of the row before and after it."""

    operator: str
    before: str
    after: str


@dataclass(frozen=True)
class Raw:
    """A row as it was read, what was changed in it, and the id or the reason in which that ended.

    `text` is JSON, or the line itself where it could not be read.
    """

    text: str
    edits: tuple[Edit, ...]
    id: str | None
    drop: Drop | None


def read_raw(root: Path, params: Params, places: set[str]) -> Iterator[tuple[str, Raw]]:
    """(Place, row) of the rows at `places`, cleaned once more; none where files are gone."""
    for name, source in params.sources.items():
        if not any(is_below(at, source.path) for at in places):
            continue
        try:
            job, files = resolve(Job(name, source, params.clean, root, root, root))
        except SftError:
            continue
        for file in files:
            wanted = {at for at in places if at.startswith(place(file, ""))}
            if wanted:
                yield from read_places(job, file, wanted)


def is_below(at: str, path: str) -> bool:
    return at.startswith((f"{path}/", f"{path}:", f"{path}#"))


def read_places(job: Job, file: str, wanted: set[str]) -> Iterator[tuple[str, Raw]]:
    read, limit = FORMATS[job.source.format].read, job.clean.max_line_bytes
    for line, given in read(job.root / file, limit):
        at = place(file, line)
        if at in wanted:
            is_read = not isinstance(given, Drop)
            text = (
                orjson.dumps(given, default=str).decode() if is_read else raw_line(job, file, line)
            )
            yield at, cleaned_again(given, job, text)


def raw_line(job: Job, file: str, number: int) -> str:
    """The line of a row that could not be read, where its file has lines."""
    if "#" in place(file, ""):
        return ""
    for found, line in read_text_lines(job.root / file, job.clean.max_line_bytes):
        if found == number and not isinstance(line, Drop):
            return line.decode("utf-8", "backslashreplace").rstrip("\r\n")
    return ""


def cleaned_again(given: Any, job: Job, text: str) -> Raw:
    """Run cleaning step by step, and note each step that changed the row."""
    edits, source = [], job.source
    given = renamed(given, source.columns)
    record, notes = parsed(given, source), Notes()
    for name, step in steps_of(job):
        after = record if isinstance(record, Drop) else step(record, notes)
        if not isinstance(record, Drop) and not isinstance(after, Drop) and after is not record:
            edits.append(Edit(name, record_text(record), record_text(after)))
        record = after
    if isinstance(record, Drop):
        return Raw(text, tuple(edits), None, record)
    return Raw(text, tuple(edits), content_id(record), None)


def steps_of(job: Job) -> Iterator[tuple[str, Callable[[Record, Notes], Record | Drop]]]:
    """The checks that every record must pass, then each operator by itself."""
    yield str(Change.UNANSWERED_TURN_CUT), sound
    for step in prepare(job.clean.operators):
        yield step.name, partial(operate_one, step)


def operate_one(step: Step, record: Record, notes: Notes) -> Record | Drop:
    return operate(record, [step], notes)
