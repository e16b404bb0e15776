"""Cross-entropy where there is a label, and nowhere else."""

import torch
from torch.nn.functional import cross_entropy
from transformers import PreTrainedModel

from sftlib.core.errors import UsageError
from sftlib.core.labels import NO_LOSS
from sftlib.train.batches import Pack, pack_rows
from sftlib.train.cross_entropy import head_loss


def label_logits(model: PreTrainedModel, pack: Pack) -> tuple[torch.Tensor, torch.Tensor]:
    """Logits [L, V] at the positions that have a label, and those labels [L]."""
    hidden, labels = label_states(model, pack)
    return model.get_output_embeddings()(hidden), labels


def label_states(
    model: PreTrainedModel, pack: Pack, noise: float = 0.0
) -> tuple[torch.Tensor, torch.Tensor]:
    """Last hidden states [L, D] at the positions that have a label, and those labels [L].

    The head is the costliest matrix of a small model and most positions need no logits.
    """
    is_disturbed = noise > 0
    hidden = model.base_model(
        input_ids=None if is_disturbed else pack.input_ids,
        inputs_embeds=disturbed(model, pack, noise) if is_disturbed else None,
        position_ids=pack.position_ids,
        attention_mask=None,
        use_cache=False,
        segments=pack.segments,
    ).last_hidden_state[0]
    wanted = pack.labels != NO_LOSS
    return hidden[wanted], pack.labels[wanted]


def disturbed(model: PreTrainedModel, pack: Pack, noise: float) -> torch.Tensor:
    """The embeddings [1, T, D], each plus uniform noise of up to noise / sqrt(length * D).

    Source: NEFTune, Jain et al. (arXiv 2310.05914); the length is that of the token's sequence up
    to its last label, so the rows of the pack must lie apart.
    """
    assert all(not segment.context for segment in pack.segments)
    vectors: torch.Tensor = model.get_input_embeddings()(pack.input_ids)
    sizes = torch.tensor([s.end - s.start for s in pack.segments], device=vectors.device)
    lengths = sizes.repeat_interleave(sizes)
    scale = noise / (lengths * vectors.shape[-1]).sqrt().unsqueeze(-1)
    drawn = torch.empty_like(vectors).uniform_(-1, 1)
    return vectors + drawn * scale.to(vectors.dtype)


def loss_sum(
    model: PreTrainedModel, pack: Pack, smoothing: float = 0.0, noise: float = 0.0
) -> torch.Tensor:
    """Sum of the cross-entropy over the labels of a pack, in fp32.

    smoothing: share of the target that is spread over the vocabulary (arXiv 1512.00567).
    noise: on the embeddings, see `disturbed`.
    """
    hidden, labels = label_states(model, pack, noise)
    return head_loss(hidden, model.get_output_embeddings(), labels, smoothing)


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
