"""Packs of a tokenized split as tensors, and their order in an epoch."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from datasets import Dataset, load_from_disk

from sftlib.core.labels import NO_LOSS
from sftlib.train.prefixes import Segment, lay_out


@dataclass(frozen=True)
class Pack:
    """Sequences laid flat; what several of them begin with lies there once.

    input_ids, position_ids [1, T]: positions as if each sequence were alone.
    labels [T]: the id to predict at each position, -100 where nothing is learned.
    segments: which tokens attend to which; `own` is that of each row, with all of its labels.
    """

    input_ids: torch.Tensor
    position_ids: torch.Tensor
    labels: torch.Tensor
    segments: list[Segment]
    own: list[Segment]

    def to(self, device: torch.device) -> "Pack":
        return replace(
            self,
            input_ids=self.input_ids.to(device),
            position_ids=self.position_ids.to(device),
            labels=self.labels.to(device),
        )

    def label_spans(self) -> list[tuple[int, int]]:
        """Where the labels of each row lie among those of all rows, end to end."""
        before = [0, *(self.labels != NO_LOSS).cumsum(0).tolist()]
        return [(before[own.start], before[own.end]) for own in self.own]


def pack_rows(rows: list[dict[str, list[int]]], share: bool = True) -> Pack:
    """Lay rows with `input_ids` and `labels` flat; `share` what they begin with.

    What stands behind a row's last label changes no loss, and is left out.
    """
    rows = [without_tail(row) for row in rows]
    layout = lay_out(rows, share)
    ids = [rows[row]["input_ids"][position] for row, position in layout.tokens]
    labels = [rows[row]["labels"][position] for row, position in layout.tokens]
    positions = [position for _, position in layout.tokens]
    own = [layout.own[number] for number in range(len(rows))]
    return Pack(
        torch.tensor([ids]), torch.tensor([positions]), torch.tensor(labels), layout.segments, own
    )


def without_tail(row: dict[str, list[int]]) -> dict[str, list[int]]:
    """A row up to its last label; one without labels as it is."""
    end = len(row["labels"])
    while end and row["labels"][end - 1] == NO_LOSS:
        end -= 1
    return {key: row[key][: end or None] for key in ("input_ids", "labels")}


class PackedSplit:
    """One split of data/tokenized, whose rows lie in the order of their packs."""

    def __init__(self, tokenized: Path, split: str, lay: Callable[..., Any] = pack_rows) -> None:
        """lay: rows -> what the model works on at once."""
        self.rows: Dataset = load_from_disk(str(tokenized / split))
        packs = np.asarray(self.rows["pack"])
        self._lay = lay
        self._starts = [*np.flatnonzero(np.diff(packs, prepend=-1)).tolist(), len(packs)]

    def __len__(self) -> int:
        return len(self._starts) - 1

    def row_numbers(self, number: int) -> range:
        """Which rows pack `number` holds."""
        return range(self._starts[number], self._starts[number + 1])

    def pack(self, number: int) -> Any:
        return self._lay([self.rows[row] for row in self.row_numbers(number)])


def epoch_order(packs: int, seed: int, epoch: int) -> list[int]:
    """The packs in the order of an epoch; it depends on nothing but these three numbers."""
    return [int(number) for number in np.random.default_rng([seed, epoch]).permutation(packs)]


def pack_seed(seed: int, step: int, place: int) -> int:
    """The seed of all that is drawn while a pack is worked on, the one at `place` of its step.

    It depends on nothing that was drawn before: not on breaks, nor on who works on the pack.
    """
    return int(np.random.SeedSequence([seed, step, place]).generate_state(1, np.uint64)[0] >> 1)
