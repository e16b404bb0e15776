"""Make up the train split, and let validation and test pass untouched."""

import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sftlib.compose.amounts import Row, over_balance, over_caps, times
from sftlib.compose.select import not_selected
from sftlib.core.errors import DataError
from sftlib.core.params import Compose, Params
from sftlib.core.rows import LineWriter, list_shards, read_folder, read_lines
from sftlib.core.tally import Drop, Tally, total


@dataclass(frozen=True)
class Folders:
    """Splits, ledger of curation and model, and where splits and the ledger of this stage go."""

    split: Path
    curated_ledger: Path
    model: Path
    out: Path
    ledger: Path


def compose(folders: Folders, params: Params) -> dict[str, Any]:
    """Write the composed splits, and to the ledger what is dropped; returns the metrics.

    Raises `DataError` when nothing is left to train on.
    """
    folders.ledger.mkdir(parents=True)
    untouched = ["validation", "test"]
    if is_pass_through(params.compose):
        untouched.append("train")
    metrics: dict[str, Any] = {}
    for name in untouched:
        shutil.copytree(folders.split / name, folders.out / name)
        rows = sum(1 for _ in read_folder(folders.out / name))
        metrics[name] = {"rows_in": rows, "kept": rows, "dropped": {}, "written": rows}
    if "train" not in untouched:
        metrics["train"] = compose_train(folders, params)
    return metrics


def compose_train(folders: Folders, params: Params) -> dict[str, Any]:
    train = folders.split / "train"
    drops = choose(list(read_folder(train)), folders.model, params)
    origins = {e["id"]: e["at"] for e in read_folder(folders.curated_ledger / "kept")}
    tallies: dict[str, Tally] = {}
    written = 0
    for shard in list_shards(train):
        with (
            LineWriter(folders.out / "train" / shard) as rows_out,
            LineWriter(folders.ledger / "dropped" / shard) as dropped,
        ):
            for row, drop, count in fates(train / shard, drops, params.compose):
                tally = tallies.setdefault(row["source"], Tally())
                tally.rows_in += 1
                written += count
                if drop is not None:
                    tally.dropped[drop.reason] += 1
                    identity = {"id": row["id"], "at": origins[row["id"]]}
                    dropped.write({**identity, "reason": drop.reason, "detail": drop.detail})
                    continue
                tally.kept += 1
                for _ in range(count):
                    rows_out.write(row)
    if not written:
        raise DataError("compose: no row is left to train on: widen select, caps or weights")
    by_source = {source: tallies[source].to_json() for source in sorted(tallies)}
    return {**total(tallies.values()).to_json(), "written": written, "by_source": by_source}


def is_pass_through(compose: Compose) -> bool:
    return not (compose.select or compose.caps or compose.weights or compose.balance_labels)


def choose(rows: list[Row], model: Path, params: Params) -> dict[str, Drop]:
    """Id -> why it is dropped; each step chooses among what the former ones left."""
    compose = params.compose
    drops: dict[str, Drop] = {}

    def left() -> list[Row]:
        return [row for row in rows if row["id"] not in drops]

    if compose.select is not None:
        drops |= not_selected(left(), params, model)
    if compose.balance_labels:
        drops |= over_balance(left())
    return drops | over_caps(left(), compose.caps or {})


def fates(
    shard: Path, drops: dict[str, Drop], compose: Compose
) -> Iterator[tuple[Row, Drop | None, int]]:
    """Each row with why it is dropped or, if it is not, how often it comes."""
    for row in read_lines(shard):
        drop = drops.get(row["id"])
        count = 0 if drop else times(row, compose.weights or {})
        if drop is None and count == 0:
            drop = Drop("thinned", f"compose.weights of {row['source']} is below 1")
        yield row, drop, count
