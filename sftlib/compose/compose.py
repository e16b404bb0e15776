"""Make up the train split, and let validation and test pass untouched."""

import shutil
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import Any

from sftlib.compose.amounts import Row
from sftlib.compose.augment import Made
from sftlib.compose.plan import Plan, plan
from sftlib.compose.pseudo_labels import is_unlabelled, with_label
from sftlib.core.errors import DataError
from sftlib.core.params import Compose, Params
from sftlib.core.rows import LineWriter, list_shards, read_folder, read_lines
from sftlib.core.splits import HELD_OUT_SPLITS
from sftlib.core.tally import Drop, Tally, total

# Why a row was dropped, what was guessed of it, what was made of it, and what was not.
LEDGERS = ("dropped", "pseudo_labelled", "augmented", "not_augmented")


@dataclass(frozen=True)
class Folders:
    """Splits, ledger of curation and model, and where splits and the ledger of this stage go."""

    split: Path
    curated_ledger: Path
    model: Path
    out: Path
    ledger: Path


def compose(folders: Folders, params: Params) -> dict[str, Any]:
    """Write the composed splits, and to the ledger what happened to rows; returns the metrics.

    Raises `DataError` when nothing is left to train on.
    """
    folders.ledger.mkdir(parents=True)
    metrics: dict[str, Any] = {name: pass_through(folders, name) for name in HELD_OUT_SPLITS}
    if is_pass_through(params.compose) and not holds_unlabelled(folders.split / "train"):
        return metrics | {"train": pass_through(folders, "train")}
    return metrics | {"train": compose_train(folders, params)}


def is_pass_through(compose: Compose) -> bool:
    """Whether nothing is asked for."""
    chosen = (compose.pseudo_labels, compose.select, compose.caps, compose.weights, compose.augment)
    return not (any(chosen) or compose.balance_labels)


def holds_unlabelled(train: Path) -> bool:
    """Whether there are rows without a label; a shard is of one source, whose rows are alike."""
    return any(is_unlabelled(next(read_lines(train / shard))) for shard in list_shards(train))


def pass_through(folders: Folders, name: str) -> dict[str, Any]:
    shutil.copytree(folders.split / name, folders.out / name)
    rows = sum(1 for _ in read_folder(folders.out / name))
    return {"rows_in": rows, "kept": rows, "dropped": {}, "written": rows}


def compose_train(folders: Folders, params: Params) -> dict[str, Any]:
    def held_out() -> Iterator[Row]:
        return chain.from_iterable(read_folder(folders.split / name) for name in HELD_OUT_SPLITS)

    rows = list(read_folder(folders.split / "train"))
    planned = plan(rows, held_out, folders.model, params)
    origins = {e["id"]: e["at"] for e in read_folder(folders.curated_ledger / "kept")}
    tallies: dict[str, Tally] = {}
    written = 0
    for shard in list_shards(folders.split / "train"):
        with ExitStack() as stack:
            out = stack.enter_context(LineWriter(folders.out / "train" / shard))
            ledgers = {
                name: stack.enter_context(LineWriter(folders.ledger / name / shard))
                for name in LEDGERS
            }
            for row in read_lines(folders.split / "train" / shard):
                tally = tallies.setdefault(row["source"], Tally())
                for ledger, entry in entries(row, origins[row["id"]], planned):
                    ledgers[ledger].write(entry)
                for line in lines(row, planned, tally):
                    out.write(line)
            written += out.count
    if not written:
        raise DataError("compose: no row is left to train on: widen select, caps or weights")
    by_source = {source: tallies[source].to_json() for source in sorted(tallies)}
    return {**total(tallies.values()).to_json(), "written": written, "by_source": by_source}


def lines(row: Row, planned: Plan, tally: Tally) -> Iterator[Row]:
    """What is written of a row: the row itself as often as it comes, then what was made of it."""
    tally.rows_in += 1
    drop, guess = planned.drops.get(row["id"]), planned.guesses.get(row["id"])
    if drop is not None:
        tally.dropped[drop.reason] += 1
        return
    tally.kept += 1
    if guess is not None:
        tally.changed["pseudo_labelled"] += 1
        row = with_label(row, guess)
    for _ in range(planned.times[row["id"]]):
        yield row
    for made in planned.made.get(row["id"], ()):
        if isinstance(made.row, Drop):
            tally.not_added[f"{made.by}: {made.row.reason}"] += 1
        else:
            tally.added[made.by] += 1
            yield made.row


def entries(row: Row, at: str, planned: Plan) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield (ledger, line) of what happened to a row, which stood at `at` in the raw data."""
    identity = {"id": row["id"], "at": at}
    drop, guess = planned.drops.get(row["id"]), planned.guesses.get(row["id"])
    if drop is not None:
        yield "dropped", {**identity, "reason": drop.reason, "detail": drop.detail}
        return
    if guess is not None:
        confidence = round(guess.confidence, 6)
        yield "pseudo_labelled", {**identity, "label": guess.label, "confidence": confidence}
    for made in planned.made.get(row["id"], ()):
        yield entry_of(made, at)


def entry_of(made: Made, at: str) -> tuple[str, dict[str, Any]]:
    """The line about a row that was made; where it stands is where its origin does."""
    how = {"origin": made.origin, "by": made.by, "copy": made.copy}
    if isinstance(made.row, Drop):
        reason = {"reason": made.row.reason, "detail": made.row.detail}
        return "not_augmented", {"at": at, **how, **reason}
    return "augmented", {"id": made.row["id"], "at": at, **how}
