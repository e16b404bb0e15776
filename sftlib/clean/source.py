"""Clean one source: every file of it becomes a shard of rows and a shard of its ledger."""

import json
import platform
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from functools import partial
from pathlib import Path, PurePosixPath
from typing import Any

from sftlib.clean.detect import detect_format
from sftlib.clean.formats import CONTAINERS, FORMATS, place
from sftlib.clean.inputs import list_inputs
from sftlib.clean.operators.apply import Notes
from sftlib.clean.operators.table import prepare
from sftlib.clean.reasons import Reason
from sftlib.clean.row import clean_row
from sftlib.core.errors import DataError
from sftlib.core.fingerprint import fingerprint
from sftlib.core.memo import Memo, forget, memoised
from sftlib.core.params import Clean, Run, Source
from sftlib.core.rows import LineWriter, read_folder
from sftlib.core.shards import map_shards
from sftlib.core.state import state_folder
from sftlib.core.tally import Drop, Tally, total

ANY = (*CONTAINERS, ".conllu")
# What the rows of a file depend on besides the file and `choices`.
CODE = ("sftlib/core", "sftlib/clean", "constraints/data.txt")
# Params of a source and of `clean` that change no row of it.
OF_OTHERS = ("path", "licence", "role", "priority", "max_dropped", "min_kept")


@dataclass(frozen=True)
class Job:
    """What cleaning needs to know; the same for every file of a source."""

    name: str
    source: Source
    clean: Clean
    root: Path
    rows: Path
    ledger: Path


def clean_source(job: Job, run: Run) -> Tally:
    """Clean all files of a source; `job.ledger` gets `kept` and `dropped`, `job.rows` the rows.

    The lines of `kept` are those of the rows: the nth line tells where the nth row stood.
    Raises `DataError` when there is no row or more than `clean.max_dropped` of them are faulty.
    """
    job, files = resolve(job)
    size = sum((job.root / file).stat().st_size for file in files)
    job.rows.mkdir(parents=True)
    job.ledger.mkdir(parents=True)
    memory = state_folder(job.root) / "memo"
    memo = Memo(memory, basis(job)) if run.memo_mb else None
    tally = total(map_shards(partial(clean_shard, job, memo), files, run, size))
    forget(memory, run.memo_mb * 1_000_000)
    tally.check()
    check_faults(job, tally)
    return tally


def resolve(job: Job) -> tuple[Job, list[str]]:
    """The files of the source, and the job with its format found out where it says `auto`.

    Raises `DataError` when two files would become one shard.
    """
    form: Any = job.source.format
    suffixes = ANY if form == "auto" else FORMATS[form].suffixes
    files = list_inputs(job.root, job.source.path, suffixes)
    if form == "auto":
        first = job.root / files[0]
        form = detect_format(job.name, job.source, first, job.clean.max_line_bytes)
        job = replace(job, source=replace(job.source, format=form))
    shards: dict[str, str] = {}
    for file in files:
        other = shards.setdefault(shard_name(job.source.path, file), file)
        if other != file:
            raise DataError(f"{file} and {other} would become one shard: rename one of them")
    return job, files


def basis(job: Job) -> str:
    """A fingerprint of the code and the params that decide what becomes of a file."""
    choices = {"name": job.name, **asdict(job.source), **asdict(job.clean)}
    relevant = {key: value for key, value in choices.items() if key not in OF_OTHERS}
    relevant["is_unlabelled"] = job.source.role == "unlabelled"  # the one role that changes rows
    return fingerprint(job.root, CODE, json.dumps([platform.python_version(), relevant]))


def clean_shard(job: Job, memo: Memo | None, file: str) -> Tally:
    """Clean a file, unless it was cleaned before as it is."""
    shard = shard_name(job.source.path, file)
    outputs = [folder / shard for folder in (job.rows, job.ledger / "kept", job.ledger / "dropped")]
    beside = FORMATS[job.source.format].beside
    inputs = [job.root / file]
    if beside and beside(inputs[0]).is_file():
        inputs.append(beside(inputs[0]))
    return Tally.from_json(memoised(memo, file, inputs, outputs, partial(clean_file, job, file)))


def clean_file(job: Job, file: str, outputs: Sequence[Path]) -> dict[str, Any]:
    """Write rows, ledger of the kept and ledger of the dropped to `outputs`; returns the tally."""
    tally = Tally()
    with (
        LineWriter(outputs[0]) as rows,
        LineWriter(outputs[1]) as kept,
        LineWriter(outputs[2]) as dropped,
    ):
        for at, result, notes in cleaned(job, file):
            tally.rows_in += 1
            if isinstance(result, Drop):
                tally.dropped[str(result.reason)] += 1
                if notes.language:
                    tally.languages_dropped[notes.language] += 1
                dropped.write({"at": at, "reason": result.reason, "detail": result.detail})
                continue
            id, line = result
            note(tally, notes)
            rows.write_line(line)
            kept.write({"id": id, "at": at, **notes.to_json()})
    return tally.to_json()


def note(tally: Tally, notes: Notes) -> None:
    """Count a row that was kept."""
    tally.kept += 1
    if notes.changed:
        tally.changed.update(notes.changed)
    if notes.flags:
        tally.flagged.update(notes.flags)
    if notes.language:
        tally.languages[notes.language] += 1


def cleaned(job: Job, file: str) -> Iterator[tuple[str, tuple[str, bytes] | Drop, Notes]]:
    """Yield (place, (id, line) of a row or a drop, what happened to it)."""
    form, steps = FORMATS[job.source.format], prepare(job.clean.operators)
    prefix = place(file, "")
    for line, given in form.read(job.root / file, job.clean.max_line_bytes):
        notes = Notes()
        yield f"{prefix}{line}", clean_row(given, job.name, job.source, steps, notes), notes


def shard_name(path: str, file: str) -> str:
    """data/raw/a, data/raw/a/b/c.jsonl -> b/c.jsonl, and x.yml -> x.yml.jsonl."""
    inside = PurePosixPath(file).relative_to(PurePosixPath(path))
    name = inside.as_posix() if inside.parts else PurePosixPath(file).name
    return name if name.endswith(".jsonl") else f"{name}.jsonl"


def check_faults(job: Job, tally: Tally) -> None:
    """Raise `DataError` for no rows, for too many faulty ones, and for too few that are left."""
    path, clean = job.source.path, job.clean
    if tally.rows_in == 0:
        raise DataError(f"{path} holds no rows: every file of it is empty")
    faulty = sum(tally.dropped[reason] for reason in Reason)
    sound = tally.rows_in - faulty
    if faulty > clean.max_dropped * tally.rows_in or not sound:
        raise DataError(
            f"sources.{job.name}: {faulty} of {tally.rows_in} rows are faulty, more than "
            f"clean.max_dropped ({clean.max_dropped:g}) allows:\n  {examples(job)}\n"
            "mend the rows or the source's format, or raise clean.max_dropped in params.yaml"
        )
    least = clean.min_kept or 0.0
    if tally.kept < least * sound or not tally.kept:
        raise DataError(
            f"sources.{job.name}: operators leave {tally.kept} of {sound} sound rows, less than "
            f"clean.min_kept ({least:g}) asks for:\n  {examples(job)}\n"
            "look at the rows with `sft why`, then change clean.operators or clean.min_kept"
        )


def examples(job: Job) -> str:
    """The first row of each reason."""
    found: dict[str, str] = {}
    for drop in read_folder(job.ledger / "dropped"):
        shown = f"{drop['at']}: {drop['reason']}: {drop['detail']}"
        found.setdefault(drop["reason"], shown)
    return "\n  ".join(found.values())
