"""Series of numbers that stages left for plots."""

import csv
from collections import Counter
from pathlib import Path
from typing import Any

from sftlib.core.params import Params
from sftlib.core.splits import SPLITS


def lengths(root: Path, params: Params) -> dict[str, list[list[int]]]:
    """Split -> [tokens up to, rows] of its rows."""
    lines = read_csv(root / "plots/lengths.csv")
    return {
        split: [[int(x["tokens"]), int(x["rows"])] for x in lines if x["split"] == split]
        for split in SPLITS
    }


def curves(root: Path, params: Params) -> dict[str, list[list[float]]]:
    """`train`: [step, loss, lr]; `validation`: [step, loss]."""
    train = read_csv(root / "plots/train_loss.csv")
    validation = read_csv(root / "plots/validation_loss.csv")
    return {
        "train": [[int(x["step"]), float(x["loss"]), float(x["lr"])] for x in train],
        "validation": [[int(x["step"]), float(x["loss"])] for x in validation],
    }


def confusion(root: Path, params: Params) -> dict[str, Any] | None:
    """{names, pairs}: how often label `actual` was taken for `predicted`; null without classes."""
    file = root / "data/evaluated/confusion.csv"
    if not file.is_file():
        return None
    pairs = Counter((line["actual"], line["predicted"]) for line in read_csv(file))
    names = Counter(name for pair in pairs for name in pair)
    table = [{"actual": a, "predicted": p, "labels": n} for (a, p), n in sorted(pairs.items())]
    return {"names": sorted(names), "pairs": table}


def read_csv(file: Path) -> list[dict[str, str]]:
    with file.open(encoding="utf-8", newline="") as stream:
        return list(csv.DictReader(stream))
