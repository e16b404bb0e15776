"""`sft why`: the life of a row on the terminal."""

from collections.abc import Iterator
from dataclasses import asdict
from difflib import unified_diff
from itertools import islice
from pathlib import Path

import orjson
from rich.console import Console
from rich.table import Table
from rich.text import Text

from sftlib.cli.life import Life, find_lives
from sftlib.cli.raw import Edit
from sftlib.console.printable import printable
from sftlib.core.errors import UsageError
from sftlib.core.params import load_params
from sftlib.core.records import record_from_json, record_text

LIMIT = 5
RAW_CHARACTERS, DIFF_LINES = 2000, 60
# Shows a space at the end of a line.
SPACE = "\u00b7"


def print_why(query: str, as_json: bool) -> None:
    """Print the lives of the rows that `query` names; raises `UsageError` when there is none."""
    root = Path.cwd()
    if not (root / "data/clean").is_dir():
        raise UsageError("data/clean is missing: build with `dvc repro clean` first")
    params = load_params(root / "params.yaml")
    lives = find_lives(root, params, query, LIMIT)
    if not lives:
        raise UsageError(
            f"no row is at {query!r}, has this id or holds this text: give a place such as "
            "data/raw/x.jsonl:17, an id of 32 digits, or words of the row"
        )
    if as_json:
        print(orjson.dumps([asdict(life) for life in lives]).decode())
        return
    console = Console(markup=False, highlight=False)
    for life in lives:
        console.print(life_table(life))
        for line in raw_lines(life):
            console.print(line, soft_wrap=True)
    if len(lives) == LIMIT:
        console.print(f"(the first {LIMIT} rows)")


def life_table(life: Life) -> Table:
    title = life.at if life.id is None else f"{life.at}  {life.id}"
    table = Table("stage", "outcome", "why", title=printable(title), title_justify="left")
    if life.fields is not None:
        text = record_text(record_from_json(life.fields))
        table.caption = printable(text[:300])
        table.caption_justify = "left"
    for event in life.events:
        table.add_row(event.stage, event.outcome, printable(event.detail))
    return table


def raw_lines(life: Life) -> Iterator[Text]:
    """A diff for each operator that changed the row; all of the row where it was dropped."""
    if life.raw is None:
        yield Text("the raw row, or how it is cleaned, is not what it was in this build", "dim")
        return
    for edit in life.raw.edits:
        yield Text(f"changed by {edit.operator}:", "bold")
        yield from diff_lines(edit)
    if life.id is None:
        yield Text("raw row:", "bold")
        yield Text(printable(life.raw.text[:RAW_CHARACTERS]))


def diff_lines(edit: Edit) -> Iterator[Text]:
    """The lines that differ, with what cannot be seen in them as escapes."""
    before, after = edit.before.split("\n"), edit.after.split("\n")
    for line in islice(unified_diff(before, after, n=0, lineterm=""), 2, DIFF_LINES):
        if not line.startswith("@@"):
            style = "green" if line.startswith("+") else "red"
            yield Text(visible(line, edit.operator), style)


def visible(line: str, operator: str) -> str:
    if operator == "nfc":  # both forms of a character look the same
        return line.encode("ascii", "backslashreplace").decode()
    text = line.rstrip()
    return printable(text) + SPACE * (len(line) - len(text))
