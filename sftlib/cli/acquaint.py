"""What a data file is, seen from its first rows, and whether a recipe can learn from it."""

import re
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path
from typing import Any

import orjson

from sftlib.clean.formats import FORMATS, content_suffix
from sftlib.clean.source import Job, cleaned, resolve
from sftlib.clean.streams import COMPRESSED
from sftlib.cli.recipe import recipes
from sftlib.core.config import suggestion
from sftlib.core.errors import DataError, UsageError
from sftlib.core.params import Params, Source, load_params
from sftlib.core.records import Labeled, Record, Tagged, record_from_json
from sftlib.core.tally import Drop

# Rows that are read to see that the format and the task fit.
ROWS = 50
# Tasks that take rows of one kind only, and what the others lack.
NEEDS = {"classify": (Labeled, "label"), "tag": (Tagged, "tag for each word")}


@dataclass(frozen=True)
class Wish:
    """What is wanted: where, from which recipe, of which data; format `auto` is found out."""

    folder: Path
    recipe: str
    data: Path
    format: Any
    columns: dict[str, str] | None
    licence: str


def look(wish: Wish, params: Params) -> tuple[Source, Record]:
    """The source that the data will be, and its first sound row."""
    if wish.format not in ("auto", *FORMATS):
        hint = suggestion(wish.format, FORMATS)
        raise UsageError(f"--format {wish.format}: none of {', '.join(FORMATS)}{hint}")
    data = wish.data.absolute()
    source = Source(data.name, wish.format, wish.licence, columns=wish.columns)
    formats = f"give --format, one of {', '.join(FORMATS)}"
    try:
        job = Job(key_of(data), source, params.clean, data.parent, data, data)
        job, files = resolve(job)
    except UsageError as error:
        told = str(error).partition("cannot tell: ")[2].partition("; write")[0]
        columns = "and --column OURS=THEIRS where names differ"
        raise UsageError(f"{wish.data}: {told}: {formats}, {columns}") from None
    except DataError as error:
        raise DataError(f"{error}; or {formats}" if wish.format == "auto" else f"{error}") from None
    results = [result for _, result, _ in islice(cleaned(job, files[0]), ROWS)]
    sound = [result for result in results if not isinstance(result, Drop)]
    drops = [f"{drop.reason}: {drop.detail}" for drop in results if isinstance(drop, Drop)]
    if not sound:
        told = drops[0] if drops else "it is empty"
        raise DataError(f"{wish.data}: no sound row of format {job.source.format}: {told}")
    path = f"data/raw/{key_of(data)}{suffix_of(data)}"
    return replace(job.source, path=path), record_from_json(orjson.loads(sound[0][1]))


def check_task(wish: Wish, root: Path, task: str, record: Record) -> None:
    """Raise `UsageError` where the rows lack what is learned; chats are made of any row."""
    kind, lacking = NEEDS.get(task, (object, ""))
    if isinstance(record, kind):
        return
    tasks = {name: load_params(file).task for name, file in recipes(root).items()}
    fitting = [
        name for name, other in tasks.items() if isinstance(record, NEEDS.get(other, (object,))[0])
    ]
    raise UsageError(
        f"--recipe {wish.recipe} is of task {task}, but the rows of {wish.data} have no {lacking}: "
        f"give other data, or one of the recipes {', '.join(fitting)}"
    )


def key_of(data: Path) -> str:
    """The name of a source: what stands before the suffix, in letters that names may have."""
    stem = data.name.removesuffix(suffix_of(data))
    return re.sub(r"[^a-z0-9]+", "-", stem.lower()).strip("-") or "data"


def suffix_of(data: Path) -> str:
    """The suffix, with that of the compression: x.jsonl.gz -> .jsonl.gz; none of a folder."""
    if data.is_dir():
        return ""
    return content_suffix(data) + (data.suffix if data.suffix in COMPRESSED else "")
