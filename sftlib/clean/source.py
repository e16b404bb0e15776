"""Clean one source: every file of it becomes a shard of rows and a shard of its ledger."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path, PurePosixPath
from typing import Any

from sftlib.clean.checks import fault, mend
from sftlib.clean.detect import detect_format
from sftlib.clean.fields import missing
from sftlib.clean.formats import CONTAINERS, FORMATS, place
from sftlib.clean.inputs import list_inputs
from sftlib.core.errors import DataError
from sftlib.core.params import Clean, Source
from sftlib.core.records import content_id, record_to_json
from sftlib.core.rows import LineWriter, list_shards, read_lines
from sftlib.core.shards import map_shards
from sftlib.core.tally import Drop, Tally, total

ANY = (*CONTAINERS, ".conllu")


@dataclass(frozen=True)
class Job:
    """What cleaning needs to know; the same for every file of a source."""

    name: str
    source: Source
    clean: Clean
    root: Path
    rows: Path
    ledger: Path


def clean_source(job: Job, workers: int) -> Tally:
    """Clean all files of a source; `job.ledger` gets `kept` and `dropped`, `job.rows` the rows.

    The lines of `kept` are those of the rows: the nth line tells where the nth row stood.
    Raises `DataError` when there is no row or more than `clean.max_dropped` of them are faulty.
    """
    job, files = resolve(job)
    size = sum((job.root / file).stat().st_size for file in files)
    job.rows.mkdir(parents=True)
    job.ledger.mkdir(parents=True)
    tally = total(map_shards(partial(clean_file, job), files, workers, size))
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


def clean_file(job: Job, file: str) -> Tally:
    tally, shard = Tally(), shard_name(job.source.path, file)
    with (
        LineWriter(job.rows / shard) as rows,
        LineWriter(job.ledger / "kept" / shard) as kept,
        LineWriter(job.ledger / "dropped" / shard) as dropped,
    ):
        for line, result in records(job, file):
            at = place(file, line)
            tally.rows_in += 1
            if isinstance(result, Drop):
                tally.dropped[str(result.reason)] += 1
                dropped.write({"at": at, "reason": result.reason, "detail": result.detail})
                continue
            fields, changes = result
            tally.kept += 1
            tally.changed.update(changes)
            rows.write(fields)
            kept.write({"id": fields["id"], "at": at} | ({"changed": changes} if changes else {}))
    return tally


def records(job: Job, file: str) -> Iterator[tuple[int, tuple[dict[str, Any], list[str]] | Drop]]:
    """Yield (line, (fields of a row, what was changed in it) or a drop)."""
    form = FORMATS[job.source.format]
    for line, value in form.read(job.root / file, job.clean.max_line_bytes):
        value = renamed(value, job.source.columns)
        record = value if isinstance(value, Drop) else form.parse(value, job.source)
        if isinstance(record, Drop):
            yield line, record
            continue
        record, changes = mend(record)
        drop = fault(record)
        fields: dict[str, Any] = {"id": content_id(record), "source": job.name}
        if job.source.meta:
            fields["meta"] = {name: value[name] for name in job.source.meta if name in value}
        yield line, drop or (fields | record_to_json(record), changes)


def renamed(value: Any, columns: dict[str, str] | None) -> Any:
    """The row with its fields under our names; a drop when one that is named is missing."""
    if columns is None or not isinstance(value, dict):
        return value
    absent = next((theirs for theirs in columns.values() if theirs not in value), None)
    if absent is not None:
        return missing(absent, value)
    return value | {ours: value[theirs] for ours, theirs in columns.items()}


def shard_name(path: str, file: str) -> str:
    """data/raw/a, data/raw/a/b/c.jsonl -> b/c.jsonl, and x.yml -> x.yml.jsonl."""
    inside = PurePosixPath(file).relative_to(PurePosixPath(path))
    name = inside.as_posix() if inside.parts else PurePosixPath(file).name
    return name if name.endswith(".jsonl") else f"{name}.jsonl"


def check_faults(job: Job, tally: Tally) -> None:
    path, allowed = job.source.path, job.clean.max_dropped
    if tally.rows_in == 0:
        raise DataError(f"{path} holds no rows: every file of it is empty")
    faulty = tally.dropped.total()
    if faulty > allowed * tally.rows_in or not tally.kept:
        examples = "\n  ".join(first_examples(job.ledger / "dropped"))
        raise DataError(
            f"sources.{job.name}: {faulty} of {tally.rows_in} rows are faulty, more than "
            f"clean.max_dropped ({allowed:g}) allows:\n  {examples}\n"
            "mend the rows or the source's format, or raise clean.max_dropped in params.yaml"
        )


def first_examples(dropped: Path) -> Iterator[str]:
    """The first row of each reason."""
    seen = set()
    for shard in list_shards(dropped):
        for drop in read_lines(dropped / shard):
            if drop["reason"] not in seen:
                seen.add(drop["reason"])
                yield f"{drop['at']}: {drop['reason']}: {drop['detail']}"
