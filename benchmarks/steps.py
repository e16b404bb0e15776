"""The rows of each optimizer step, the same for all systems: `python -m benchmarks.steps WHICH
TOKENIZED MODEL FOLDER`.

Reads FOLDER/settings.json and adds `rows_per_step` to it. Writes FOLDER/tokenized, for ours, in
which a pack is a step, and FOLDER/rows.jsonl, {"input_ids", "labels"}, for the others: step after
step in the order in which ours takes them. Labels stand at their own tokens there, as transformers
has them.
"""

import inspect
import json
import shutil
import statistics
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from datasets import Dataset, DatasetDict
from tokenizers import Tokenizer

from sftlib.core.labels import NO_LOSS
from sftlib.core.rows import batched
from sftlib.train.batches import PackedSplit, epoch_order

CHAT_ROWS, ROWS_PER_STEP = 64, 8
STEPS = 4
TOOL_ROWS, TOOL_ROWS_PER_STEP, TOOL_TOKENS = 32, 16, 500
CLASSIFY_STEPS, CLASSIFY_ROWS_PER_STEP = 16, 16

Row = dict[str, list[int]]
Steps = list[list[Row]]


def first(split: PackedSplit, model: Path) -> Steps:
    """The first 64 rows, 8 to a step, by length: with the least padding that there can be."""
    rows = sorted(rows_of(split, range(CHAT_ROWS)), key=length, reverse=True)
    return [list(step) for step in batched(rows, ROWS_PER_STEP)]


def packs(split: PackedSplit, model: Path) -> Steps:
    """Four packs as they are, evenly out of all."""
    chosen = [len(split) * number // STEPS for number in range(STEPS)]
    return [rows_of(split, split.row_numbers(number)) for number in chosen]


def tools(split: PackedSplit, model: Path) -> Steps:
    """32 rows, evenly out of all, behind a description of tools instead of their system prompt."""
    tokenizer = Tokenizer.from_file(str(model / "tokenizer.json"))
    described = json.dumps(described_functions(), indent=1)
    text = f"<|im_start|>system\nThese functions can be called:\n{described}"
    prompt = tokenizer.encode(text, add_special_tokens=False).ids[:TOOL_TOKENS]
    count = len(split.rows)
    rows = rows_of(split, [count * number // TOOL_ROWS for number in range(TOOL_ROWS)])
    system = min(common_length(rows[0], row) for row in rows[1:])
    for row in rows:
        row["input_ids"] = prompt + row["input_ids"][system:]
        row["labels"] = [NO_LOSS] * len(prompt) + row["labels"][system:]
    return [list(step) for step in batched(rows, TOOL_ROWS_PER_STEP)]


def full_packs(split: PackedSplit, model: Path) -> Steps:
    """The first packs that hold as many rows as one can of cut texts."""
    numbers = [split.row_numbers(number) for number in range(len(split))]
    full = [pack for pack in numbers if len(pack) == CLASSIFY_ROWS_PER_STEP]
    return [rows_of(split, pack) for pack in full[:CLASSIFY_STEPS]]


def rows_of(split: PackedSplit, numbers: Any) -> list[Row]:
    return [{key: split.rows[n][key] for key in ("input_ids", "labels")} for n in numbers]


def length(row: Row) -> int:
    return len(row["input_ids"])


def common_length(a: Row, b: Row) -> int:
    """How many tokens two rows have in common at their beginning."""
    ids = a["input_ids"], b["input_ids"]
    pairs = enumerate(zip(*ids, strict=False))
    return next((number for number, (x, y) in pairs if x != y), min(map(len, ids)))


def described_functions() -> list[dict[str, str]]:
    """Some 30 real functions: those of Python's statistics."""
    functions = [getattr(statistics, name) for name in statistics.__all__]
    return [
        {"name": f.__name__, "description": inspect.getdoc(f) or ""}
        for f in functions
        if inspect.isfunction(f)
    ]


def write_steps(steps: Steps, settings: dict[str, Any], tokenized: Path, folder: Path) -> None:
    rows = [{"pack": number, **row} for number, step in enumerate(steps) for row in step]
    shortest = {**min(rows, key=length), "pack": 0}  # training asks for a validation split
    splits = {"train": Dataset.from_list(rows), "validation": Dataset.from_list([shortest])}
    shutil.rmtree(folder / "tokenized", ignore_errors=True)
    DatasetDict(splits).save_to_disk(folder / "tokenized")
    if (tokenized / "labels.json").exists():
        shutil.copy(tokenized / "labels.json", folder / "tokenized")
    with (folder / "rows.jsonl").open("w") as lines:
        for number in epoch_order(len(steps), settings["train"]["seed"], 0):
            for row in steps[number]:
                lines.write(json.dumps(at_own_tokens(row, settings["task"])) + "\n")


def at_own_tokens(row: Row, task: str) -> Row:
    """Our label of a chat is that of the next token; a class is the label of the whole row."""
    return {**row, "labels": [NO_LOSS, *row["labels"][:-1]]} if task == "chat" else row


WHICH: dict[str, Callable[[PackedSplit, Path], Steps]] = {
    "first": first,
    "packs": packs,
    "tools": tools,
    "full_packs": full_packs,
}


if __name__ == "__main__":
    which, tokenized, model, folder = sys.argv[1], *map(Path, sys.argv[2:])
    settings = json.loads((folder / "settings.json").read_text())
    steps = WHICH[which](PackedSplit(tokenized, "train"), model)
    settings["rows_per_step"] = max(map(len, steps))
    (folder / "settings.json").write_text(json.dumps(settings, indent=2))
    write_steps(steps, settings, tokenized, folder)
