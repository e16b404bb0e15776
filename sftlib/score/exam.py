"""What is put to a model, and what comes of it."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from tokenizers import Tokenizer
from transformers import PreTrainedModel

from sftlib.core.labels import LabelSet, read_labels
from sftlib.core.params import Evaluate, Train
from sftlib.train.batches import PackedSplit
from sftlib.train.device import dtype_of
from sftlib.train.heads import Head
from sftlib.train.model import load_model


@dataclass(frozen=True)
class Exam:
    """The test split in `tokenized`, for models below `models` that have `head`."""

    task: str
    head: Head
    models: Path
    tokenized: Path
    train: Train
    wanted: Evaluate
    device: torch.device

    def test(self) -> PackedSplit:
        return PackedSplit(self.tokenized, "test", self.head.lay)

    def labels(self) -> LabelSet | None:
        return read_labels(self.tokenized)

    def model(self, name: str) -> PreTrainedModel:
        dtype = dtype_of(self.train)
        labels = self.labels()
        return load_model(self.models / name, dtype, self.device, head=self.head, labels=labels)

    def tokenizer(self) -> Tokenizer:
        return read_tokenizer(self.models / "base")


def read_tokenizer(model: Path) -> Tokenizer:
    return Tokenizer.from_file(str(model / "tokenizer.json"))


@dataclass(frozen=True)
class Outcome:
    """Metrics, an object per row, and texts to read or plot by the names of their files."""

    metrics: dict[str, Any]
    lines: Iterator[dict[str, Any]]
    texts: dict[str, str] = field(default_factory=dict)
