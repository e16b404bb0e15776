"""Loss and token accuracy of every row of a split."""

from dataclasses import dataclass

import torch
from torch.nn.functional import cross_entropy
from transformers import PreTrainedModel

from sftlib.core.params import Train
from sftlib.train.batches import PackedSplit
from sftlib.train.device import autocast
from sftlib.train.heads import CHAT, Head


@dataclass(frozen=True)
class RowLoss:
    """Sums over the labels of a row, so that rows can be added up in any way."""

    loss_sum: float
    correct: int
    labels: int


@torch.no_grad()
def row_losses(
    model: PreTrainedModel, split: PackedSplit, train: Train, head: Head = CHAT
) -> list[RowLoss]:
    """One result per row of `split`, in its order."""
    model.eval()
    device = next(model.parameters()).device
    results: list[RowLoss] = []
    for number in range(len(split)):
        pack = split.pack(number).to(device)
        with autocast(device, train):
            logits, labels = head.label_logits(model, pack)
        losses = cross_entropy(logits.float(), labels, reduction="none").double()
        hits = logits.argmax(dim=-1) == labels
        for start, end in pack.label_spans():
            part = RowLoss(float(losses[start:end].sum()), int(hits[start:end].sum()), end - start)
            results.append(part)
    return results
