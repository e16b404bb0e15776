"""What a task needs of training: a head, packs for it, and its loss."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch
from transformers import (
    AutoModelForCausalLM,
    AutoModelForSeq2SeqLM,
    AutoModelForSequenceClassification,
    AutoModelForTokenClassification,
    PreTrainedModel,
)

from sftlib.core.labels import MANY, LabelSet
from sftlib.train import attention, loss, padded
from sftlib.train.batches import pack_rows
from sftlib.train.padded import Row


@dataclass(frozen=True)
class Head:
    """auto: the class of transformers that puts it on a model; adapter: its name in peft.

    attention: the function that fits its packs. lay: rows -> a pack; lay_apart: one in which rows
    share no tokens. label_logits, loss_sum: of a pack, where labels line up with logits.
    check: that rows in a pack are as they are alone.
    """

    auto: Any
    adapter: str
    attention: str
    lay: Callable[[list[Row]], Any]
    lay_apart: Callable[[list[Row]], Any]
    label_logits: Callable[..., tuple[torch.Tensor, torch.Tensor]]
    loss_sum: Callable[..., torch.Tensor]
    check: Callable[[PreTrainedModel, list[Row], float], None]


def padded_head(auto: Any, adapter: str) -> Head:
    return Head(
        auto,
        adapter,
        "sdpa",
        padded.pad_rows,
        padded.pad_rows,
        padded.label_logits,
        padded.loss_sum,
        padded.check_padding,
    )


HEADS: dict[str, Head] = {
    "chat": Head(
        AutoModelForCausalLM,
        "CAUSAL_LM",
        attention.NAME,
        pack_rows,
        partial(pack_rows, share=False),
        loss.label_logits,
        loss.loss_sum,
        loss.check_packing,
    ),
    "classify": padded_head(AutoModelForSequenceClassification, "SEQ_CLS"),
    "tag": padded_head(AutoModelForTokenClassification, "TOKEN_CLS"),
    "seq2seq": padded_head(AutoModelForSeq2SeqLM, "SEQ_2_SEQ_LM"),
}
CHAT = HEADS["chat"]


def balanced_weights(labels: LabelSet) -> torch.Tensor:
    """Weights [C] by which every label counts the same in all; their mean over train is 1.

    Where a row may have many labels, the weight is that of having a label against not having it.
    """
    counts = torch.tensor(labels.counts, dtype=torch.float32)
    if labels.problem == MANY:
        return (labels.rows - counts) / counts
    return labels.rows / (len(counts) * counts)
