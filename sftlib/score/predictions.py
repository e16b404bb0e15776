"""What a tuned model, and what one that has not read the text, says about the labels of each row.

A new head knows nothing, so a base model with one is no measure. The baseline says of every row
what the train split says of all: the shares of the labels, or the mean of the numbers.
"""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import torch
from numpy.typing import NDArray
from transformers import PreTrainedModel

from sftlib.core.labels import MANY, NUMBER, LabelSet
from sftlib.core.params import Train
from sftlib.train.batches import PackedSplit
from sftlib.train.device import autocast
from sftlib.train.heads import Head
from sftlib.train.padded import LOSSES

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]


@dataclass(frozen=True)
class Predictions:
    """Logits [L, C] and labels [L] of the rows of a split, end to end; rows[l] is a label's row."""

    problem: str
    logits: torch.Tensor
    labels: torch.Tensor
    rows: Ints

    @cached_property
    def losses(self) -> Floats:
        """[L], as in training."""
        return LOSSES[self.problem](self.logits, self.labels, 0.0, None).double().numpy()

    @cached_property
    def probabilities(self) -> Floats:
        """[L, C] of the classes; [L, 2] of no and yes where each label is a question of its own."""
        if self.problem == MANY:
            yes = self.logits.double().sigmoid()
            return torch.cat([1 - yes, yes], dim=1).numpy()
        return self.logits.double().softmax(dim=-1).numpy()

    @cached_property
    def chosen(self) -> Ints:
        """[L]: the most likely class, or 0 for no and 1 for yes."""
        return np.asarray(self.probabilities.argmax(axis=1))

    @property
    def gold(self) -> Ints:
        return self.labels.long().numpy()

    def per_row(self, values: Floats | Ints) -> Floats:
        """Sums [R] of something that there is for each label."""
        size = int(self.rows.max()) + 1
        return np.bincount(self.rows, values, size).astype(np.float64)


@torch.no_grad()
def predict(
    model: PreTrainedModel, split: PackedSplit, train: Train, head: Head, problem: str
) -> Predictions:
    """What `model` says about every row of `split`, in its order."""
    model.eval()
    device = next(model.parameters()).device
    logits, labels, counts = [], [], []
    for number in range(len(split)):
        pack = split.pack(number).to(device)
        with autocast(device, train):
            found, gold = head.label_logits(model, pack)
        logits.append(found.float().cpu())
        labels.append(gold.cpu())
        counts += [end - start for start, end in pack.label_spans()]
    rows = np.repeat(np.arange(len(counts)), counts)
    return Predictions(problem, torch.cat(logits), torch.cat(labels), rows)


def baseline(like: Predictions, labels: LabelSet) -> Predictions:
    """What the labels of the train split alone say about the rows that `like` is about."""
    counts = torch.tensor(labels.counts, dtype=torch.float32)
    if labels.problem == NUMBER:
        logits = torch.full_like(like.logits, labels.mean or 0.0)
    elif labels.problem == MANY:
        odds = ((counts + 0.5) / (labels.rows - counts + 0.5)).log()
        logits = odds.repeat(len(like.labels) // len(counts)).unsqueeze(-1)
    else:
        logits = (counts / counts.sum()).log().expand(len(like.labels), -1)
    return Predictions(like.problem, logits, like.labels, like.rows)
