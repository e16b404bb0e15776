"""Loss and token accuracy of every row of a split."""

from dataclasses import dataclass

import torch
from torch.nn.functional import cross_entropy
from transformers import PreTrainedModel

from sftlib.core.labels import NO_LOSS
from sftlib.core.params import Train
from sftlib.train.batches import PackedSplit
from sftlib.train.device import autocast
from sftlib.train.loss import label_logits


@dataclass(frozen=True)
class RowLoss:
    """Sums over the labels of a row, so that rows can be added up in any way."""

    loss_sum: float
    correct: int
    labels: int


@torch.no_grad()
def row_losses(model: PreTrainedModel, split: PackedSplit, train: Train) -> list[RowLoss]:
    """One result per row of `split`, in its order."""
    model.eval()
    device = next(model.parameters()).device
    results: list[RowLoss] = []
    for number in range(len(split)):
        pack = split.pack(number).to(device)
        with autocast(device, train):
            logits, labels = label_logits(model, pack)
        losses = cross_entropy(logits.float(), labels, reduction="none").double()
        hits = logits.argmax(dim=-1) == labels
        before = [0, *(pack.labels != NO_LOSS).cumsum(0).tolist()]
        for own in pack.own:
            start, end = before[own.start], before[own.end]
            part = RowLoss(float(losses[start:end].sum()), int(hits[start:end].sum()), end - start)
            results.append(part)
    return results
