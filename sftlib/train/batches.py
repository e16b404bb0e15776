"""Packs of a tokenized split as tensors, and their order in an epoch."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from datasets import Dataset, load_from_disk


@dataclass(frozen=True)
class Pack:
    """Sequences laid end to end.

    input_ids, position_ids [1, T]: positions restart with each sequence.
    labels [T]: the id to predict at each position, -100 where nothing is learned.
    bounds: where sequences begin, and T. Two sequences of 3 and 2 tokens: bounds [0, 3, 5],
        position_ids [[0, 1, 2, 0, 1]].
    """

    input_ids: torch.Tensor
    position_ids: torch.Tensor
    labels: torch.Tensor
    bounds: list[int]

    def to(self, device: torch.device) -> "Pack":
        return Pack(
            self.input_ids.to(device),
            self.position_ids.to(device),
            self.labels.to(device),
            self.bounds,
        )


def pack_rows(rows: list[dict[str, list[int]]]) -> Pack:
    """Lay rows with `input_ids` and `labels` end to end."""
    lengths = [len(row["input_ids"]) for row in rows]
    ids = [token for row in rows for token in row["input_ids"]]
    labels = [label for row in rows for label in row["labels"]]
    positions = [position for length in lengths for position in range(length)]
    bounds = [0, *np.cumsum(lengths).tolist()]
    return Pack(torch.tensor([ids]), torch.tensor([positions]), torch.tensor(labels), bounds)


class PackedSplit:
    """One split of data/tokenized, whose rows lie in the order of their packs."""

    def __init__(self, tokenized: Path, split: str) -> None:
        self.rows: Dataset = load_from_disk(str(tokenized / split))
        packs = np.asarray(self.rows["pack"])
        self._starts = [*np.flatnonzero(np.diff(packs, prepend=-1)).tolist(), len(packs)]

    def __len__(self) -> int:
        return len(self._starts) - 1

    def row_numbers(self, number: int) -> range:
        """Which rows pack `number` holds."""
        return range(self._starts[number], self._starts[number + 1])

    def pack(self, number: int) -> Pack:
        return pack_rows([self.rows[row] for row in self.row_numbers(number)])


def epoch_order(packs: int, seed: int, epoch: int) -> list[int]:
    """The packs in the order of an epoch; it depends on nothing but these three numbers."""
    return [int(number) for number in np.random.default_rng([seed, epoch]).permutation(packs)]
