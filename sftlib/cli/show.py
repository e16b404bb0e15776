"""`sft show`: what the model sees of a row, and what it learns of it."""

from dataclasses import asdict
from pathlib import Path
from typing import Any

import orjson
from rich.console import Console
from rich.table import Table
from rich.text import Text

from sftlib.cli.life import cleaned_lives
from sftlib.cli.masks import (
    Run,
    Token,
    find_row,
    learned,
    open_split,
    open_tokenizer,
    pack_rows,
    runs_of,
    tokens_of,
)
from sftlib.cli.terminal import printable
from sftlib.core.errors import UsageError

# Neighbouring tokens in turn, so that their bounds are seen.
STYLES = {True: ("black on green", "black on bright_green"), False: ("dim", "")}
BOUND = "·"
OPEN, CLOSE = "⟦", "⟧"


def print_row(query: str, as_json: bool) -> None:
    """Print the tokens of the row that `query` names; raises `UsageError` when there is none."""
    root = Path.cwd()
    open_split(root, "train")
    life = next(cleaned_lives(root, query), None)
    if life is None:
        raise UsageError(
            f"no cleaned row is at {query!r}, has this id or holds this text: `sft why` finds "
            "dropped ones too"
        )
    split, row = find_row(root, str(life.id))
    tokens = tokens_of(open_tokenizer(root), row["input_ids"], learned(row))
    head = {"id": row["id"], "at": life.at, "split": split, "pack": row["pack"]}
    if as_json:
        print(orjson.dumps({**head, "tokens": [asdict(token) for token in tokens]}).decode())
        return
    console = Console(markup=False, highlight=False)
    count = sum(learned(row))
    console.print(printable(f"{life.at}  {row['id']}  {split}, pack {row['pack']}"))
    console.print(f"{len(row['input_ids'])} tokens, {count} learned ({legend(console)})\n")
    console.print(coloured(tokens) if console.is_terminal else marked(tokens), soft_wrap=True)


def legend(console: Console) -> str:
    return "on green" if console.is_terminal else f"between {OPEN} and {CLOSE}"


def coloured(tokens: list[Token]) -> Text:
    shown = Text()
    for number, token in enumerate(tokens):
        shown.append(visible(token.text), STYLES[token.learned][number % 2])
    return shown


def marked(tokens: list[Token]) -> str:
    """Tokens with a dot between them, and brackets around what is learned."""
    parts, inside = [], False
    for token in tokens:
        if token.learned != inside:
            parts.append(OPEN if token.learned else CLOSE)
        elif parts:
            parts.append(BOUND)
        parts.append(visible(token.text))
        inside = token.learned
    return "".join(parts) + (CLOSE if inside else "")


def visible(text: str) -> str:
    """Line ends as a sign before the line's end."""
    return printable(text).replace("\n", "↵\n")


def print_pack(number: int, split: str, as_json: bool) -> None:
    """Print the rows of a pack and the runs of tokens that they share."""
    root = Path.cwd()
    rows = pack_rows(open_split(root, split), number)
    runs = runs_of(open_tokenizer(root), rows)
    if as_json:
        heads = [{"id": r["id"], "source": r["source"], **sizes(r)} for r in rows]
        report = {"split": split, "pack": number, "rows": heads}
        print(orjson.dumps({**report, "runs": [asdict(run) for run in runs]}).decode())
        return
    console = Console(markup=False, highlight=False)
    tokens, alone = runs[-1].end, sum(len(row["input_ids"]) for row in rows)
    shared = f"; of these {alone - tokens} are shared and computed once" if tokens < alone else ""
    console.print(f"{split}, pack {number}: {len(rows)} rows, {alone} tokens{shared}")
    console.print(runs_table(rows, runs))


def sizes(row: dict[str, Any]) -> dict[str, int]:
    return {"tokens": len(row["input_ids"]), "learned": sum(learned(row))}


def runs_table(rows: list[dict[str, Any]], runs: list[Run]) -> Table:
    table = Table("tokens", "of", "learned", "text")
    for run in runs:
        is_own = len(run.rows) == 1
        of = rows[run.rows[0]]["id"] if is_own else f"{len(run.rows)} rows in common"
        count = str(sizes(rows[run.rows[0]])["learned"]) if is_own else "-"
        text = "  " * run.depth + " ".join(printable(run.text).split())[:80]
        table.add_row(f"{run.start} to {run.end}", of, count, text)
    return table
