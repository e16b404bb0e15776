"""`sft why`: the life of a row on the terminal."""

from dataclasses import asdict
from pathlib import Path

import orjson
from rich.console import Console
from rich.table import Table

from sftlib.cli.life import Life, find_lives
from sftlib.cli.terminal import printable
from sftlib.core.errors import UsageError
from sftlib.core.records import record_from_json, record_text

LIMIT = 5


def print_why(query: str, as_json: bool) -> None:
    """Print the lives of the rows that `query` names; raises `UsageError` when there is none."""
    root = Path.cwd()
    if not (root / "data/clean").is_dir():
        raise UsageError("data/clean is missing: build with `dvc repro clean` first")
    lives = find_lives(root, query, LIMIT)
    if not lives:
        raise UsageError(
            f"no row is at {query!r}, has this id or holds this text: give a place such as "
            "data/raw/x.jsonl:17, an id of 32 digits, or words of the row as it was cleaned"
        )
    if as_json:
        print(orjson.dumps([asdict(life) for life in lives]).decode())
        return
    console = Console(markup=False, highlight=False)
    for life in lives:
        console.print(life_table(life))
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
