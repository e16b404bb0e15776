"""Cross-entropy where there is a label, and nowhere else."""

import torch
from torch.nn.functional import cross_entropy
from transformers import PreTrainedModel

from sftlib.core.errors import UsageError
from sftlib.core.labels import NO_LOSS
from sftlib.train.batches import Pack, pack_rows


def label_logits(model: PreTrainedModel, pack: Pack) -> tuple[torch.Tensor, torch.Tensor]:
    """Logits [L, V] at the positions that have a label, and those labels [L].

    The head is the costliest matrix of a small model and most positions need no logits.
    """
    hidden = model.base_model(
        input_ids=pack.input_ids,
        position_ids=pack.position_ids,
        attention_mask=None,
        use_cache=False,
        segments=pack.segments,
    ).last_hidden_state[0]
    wanted = pack.labels != NO_LOSS
    head = model.get_output_embeddings()
    return head(hidden[wanted]), pack.labels[wanted]


def loss_sum(model: PreTrainedModel, pack: Pack) -> torch.Tensor:
    """Sum of the cross-entropy over the labels of a pack, in fp32."""
    logits, labels = label_logits(model, pack)
    return cross_entropy(logits.float(), labels, reduction="sum")


def label_count(pack: Pack) -> int:
    return int((pack.labels != NO_LOSS).sum())


@torch.no_grad()
def check_packing(
    model: PreTrainedModel, rows: list[dict[str, list[int]]], tolerance: float
) -> None:
    """Raise `UsageError` unless packed rows give the loss of the model's own forward, one by one.

    Catches models whose head is more than one matrix product, and libraries that drop segments.
    """
    device = next(model.parameters()).device
    single, labels = 0.0, 0
    for row in rows:
        pack = pack_rows([row]).to(device)
        logits = (
            model(input_ids=pack.input_ids, use_cache=False, segments=pack.segments)
            .logits[0]
            .float()
        )
        single += float(cross_entropy(logits, pack.labels, ignore_index=NO_LOSS, reduction="sum"))
        labels += label_count(pack)
    packed = float(loss_sum(model, pack_rows(rows).to(device)))
    if abs(packed - single) > tolerance * labels:
        raise UsageError(
            f"models of type {model.config.model_type} cannot be trained in packs yet: the loss of "
            f"{len(rows)} rows is {packed / labels:.4f} packed and {single / labels:.4f} one by one"
        )
