"""Write the curated rows to train, validation and test, but for those that would leak."""

from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import orjson

from sftlib.core.errors import DataError
from sftlib.core.memory import keep_freed_memory
from sftlib.core.params import Source, Split
from sftlib.core.rows import LineWriter, list_shards, read_folder, read_lines
from sftlib.core.splits import SPLITS, SplitName
from sftlib.core.tally import Drop, Tally, total
from sftlib.curate.deal import deal
from sftlib.curate.decontaminate import Leak, find_contaminated, shared_words


@dataclass(frozen=True)
class Folders:
    """Curated rows and their ledger, and where the splits and the ledger of this stage go."""

    curated: Path
    curated_ledger: Path
    splits: Path
    ledger: Path


def split_rows(folders: Folders, split: Split, sources: dict[str, Source]) -> dict[str, Any]:
    """Write train, validation and test, and to the ledger what is dropped; returns the metrics.

    Rows of evaluation sets (role against) are counted, and go nowhere.
    Raises `DataError` when a split gets no row.
    """
    keep_freed_memory()
    dealer = Dealer(folders, split, sources)
    tallies: dict[str, Tally] = {}
    counts: dict[str, Counter[str]] = {name: Counter() for name in SPLITS}
    labels: dict[str, Counter[str]] = {name: Counter() for name in SPLITS}
    folders.ledger.mkdir(parents=True)
    for shard in list_shards(folders.curated):
        rows = read_lines(folders.curated / shard)
        entries = read_lines(folders.curated_ledger / "kept" / shard)
        with ExitStack() as stack:
            dropped = stack.enter_context(LineWriter(folders.ledger / "dropped" / shard))
            writers = {
                name: stack.enter_context(LineWriter(folders.splits / name / shard))
                for name in SPLITS
            }
            for row, entry in zip(rows, entries, strict=True):
                tally = tallies.setdefault(row["source"], Tally())
                tally.rows_in += 1
                place = dealer.place(row)
                if isinstance(place, Drop):
                    tally.dropped[place.reason] += 1
                    reason = {"reason": place.reason, "detail": place.detail}
                    dropped.write({"id": entry["id"], "at": entry["at"], **reason})
                    continue
                tally.kept += 1
                writers[place].write(row)
                counts[place][row["source"]] += 1
                if "label" in row:
                    labels[place][str(row["label"])] += 1
    check_filled(counts)
    metrics = metrics_of(tallies, counts)
    if any(labels.values()):
        metrics["by_label"] = sorted_counts(labels)
    return metrics


class Dealer:
    """Decides on each row, having seen all of them."""

    def __init__(self, folders: Folders, split: Split, sources: dict[str, Source]) -> None:
        self.curated, self.sources, self.split = folders.curated, sources, split
        self.dealt = deal(read_folder(self.curated), split, sources)
        self.leaks: dict[str, Leak] = {}
        if split.decontaminate is not None:
            self.leaks = find_contaminated(self.sided, split.decontaminate)
        held_out = {leak.held_out for leak in self.leaks.values()}
        ledger = read_folder(folders.curated_ledger / "kept") if held_out else ()
        self.origins = {e["id"]: e["at"] for e in ledger if e["id"] in held_out}

    def place(self, row: dict[str, Any]) -> SplitName | Drop:
        """The split of `row`, or why it goes to none."""
        role = self.sources[row["source"]].role
        if role == "against":
            return Drop("evaluation_set", "kept to compare with, not to build from")
        if role in ("validation", "test"):
            return role
        if row["place"] < 0:
            return Drop("prompt_held_out", "a given split or evaluation set has its prompt")
        # A cluster without any labelled row is dealt to no split.
        name = self.dealt.get(row["place"], "train")
        if role == "unlabelled" and name != "train":
            return Drop("prompt_held_out", f"{name} has its text, or one that is nearly the same")
        if name != "test" and row["id"] in self.leaks:
            return self.contaminated(row)
        return name

    def contaminated(self, row: dict[str, Any]) -> Drop:
        assert self.split.decontaminate is not None
        leak = self.leaks[row["id"]]
        words = shared_words(row, leak, self.split.decontaminate.ngram)
        return Drop("contaminated", f"shares {words!r} with {self.origins[leak.held_out]}")

    def sided(self) -> Iterator[tuple[bool, dict[str, Any]]]:
        """All rows, each with whether it is held out: of the test split or an evaluation set."""
        for row in read_folder(self.curated):
            role = self.sources[row["source"]].role
            is_test = role == "build" and self.dealt[row["place"]] == "test"
            yield is_test or role in ("test", "against"), row


def check_filled(counts: dict[str, Counter[str]]) -> None:
    rows = sum(count.total() for count in counts.values())
    empty = [name for name in SPLITS if not counts[name]]
    if empty:
        raise DataError(
            f"split: {' and '.join(empty)} got none of {rows} rows: add rows or raise its share"
        )


def metrics_of(tallies: dict[str, Tally], counts: dict[str, Counter[str]]) -> dict[str, Any]:
    return {
        **total(tallies.values()).to_json(),
        **{name: counts[name].total() for name in SPLITS},
        "by_source": sorted_counts(counts),
        "dropped_by_source": {
            source: tally.to_json()["dropped"]
            for source, tally in sorted(tallies.items())
            if tally.dropped
        },
    }


def sorted_counts(counts: dict[str, Counter[str]]) -> dict[str, dict[str, int]]:
    return {name: dict(sorted(counts[name].items())) for name in SPLITS}


def random_split_leak(copies: Path, params: Split) -> dict[str, Any]:
    """What a plain random split of the cleaned rows would have leaked, in expectation.

    A test row leaks when a row with the same text (or the same prompt) is in train. Of a group of
    n copies dealt independently, each is in test with probability t, and one of the others is in
    train with probability 1 - (1 - r) ** (n - 1), where r is the share of train.
    """
    result: dict[str, Any] = {}
    train = 1 - params.test - params.validation
    for name, groups in orjson.loads(copies.read_bytes()).items():
        rows = sum(int(size) * count for size, count in groups.items())
        leaked = sum(
            int(size) * count * (1 - (1 - train) ** (int(size) - 1))
            for size, count in groups.items()
        )
        result[f"test_rows_leaked_by_{name}"] = round(leaked * params.test, 1)
        result[f"share_leaked_by_{name}"] = round(leaked / rows, 4)
        result["test_rows"] = round(rows * params.test, 1)
    return result
