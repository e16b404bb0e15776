"""Packs whose rows are padded to one length: those of encoders, and of encoders with decoders.

Further dimensions: B rows, N labels of a row (1, the number of classes, T or the answer's tokens),
C logits for each.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch.nn import functional
from transformers import PreTrainedModel

from sftlib.core.errors import UsageError
from sftlib.core.labels import MANY, NO_LOSS, NUMBER, ONE, TAGS
from sftlib.train.r_drop import divergence_of

Row = dict[str, list[Any]]


@dataclass(frozen=True)
class PaddedPack:
    """input_ids, mask [B, T]: mask is 0 at padding. labels [B, N]: -100 where there is none."""

    input_ids: torch.Tensor
    mask: torch.Tensor
    labels: torch.Tensor

    def to(self, device: torch.device) -> "PaddedPack":
        return replace(
            self,
            input_ids=self.input_ids.to(device),
            mask=self.mask.to(device),
            labels=self.labels.to(device),
        )

    def label_spans(self) -> list[tuple[int, int]]:
        """Where the labels of each row lie among those of all rows, end to end."""
        ends = (self.labels != NO_LOSS).sum(dim=1).cumsum(dim=0).tolist()
        return list(zip([0, *ends[:-1]], ends, strict=True))


def pad_rows(rows: list[Row]) -> PaddedPack:
    """Rows with `input_ids` and `labels`, filled up to the longest of them.

    >>> pad_rows([{"input_ids": [5, 6], "labels": [1]}, {"input_ids": [7], "labels": [0]}]).mask
    tensor([[1, 1],
            [1, 0]])
    """
    ids = [row["input_ids"] for row in rows]
    masks = [[1] * len(row) for row in ids]
    labels = filled([row["labels"] for row in rows], NO_LOSS)
    return PaddedPack(filled(ids, 0), filled(masks, 0), labels)


def filled(rows: list[list[Any]], value: int) -> torch.Tensor:
    width = max(map(len, rows))
    return torch.tensor([row + [value] * (width - len(row)) for row in rows])


def label_logits(
    model: PreTrainedModel, pack: PaddedPack, noise: float = 0.0
) -> tuple[torch.Tensor, torch.Tensor]:
    """Logits [L, C] of every label, and the labels [L], row by row.

    A head gives a row of logits for each label whatever the task: [B, C] for one class, [B, N] for
    many, [B, T, C] for words, [B, N, V] for the tokens of answers.
    """
    inputs: dict[str, Any] = {"attention_mask": pack.mask}
    if noise > 0:
        inputs["inputs_embeds"] = disturbed(model, pack, noise)
    else:
        padding = model.config.pad_token_id or 0
        inputs["input_ids"] = pack.input_ids.masked_fill(pack.mask == 0, padding)
    if model.config.is_encoder_decoder:
        decoder_ids = model.prepare_decoder_input_ids_from_labels(pack.labels)  # type: ignore[operator]
        inputs |= {"decoder_input_ids": decoder_ids, "use_cache": False}
    logits = model(**inputs).logits
    wanted = pack.labels != NO_LOSS
    return logits.view(*pack.labels.shape, -1)[wanted], pack.labels[wanted]


def disturbed(model: PreTrainedModel, pack: PaddedPack, noise: float) -> torch.Tensor:
    """The embeddings [B, T, D], each plus uniform noise of up to noise / sqrt(length * D).

    Source: NEFTune, Jain et al. (arXiv 2310.05914).
    """
    vectors: torch.Tensor = model.get_input_embeddings()(pack.input_ids)
    lengths = pack.mask.sum(dim=1).view(-1, 1, 1)
    scale = noise / (lengths * vectors.shape[-1]).sqrt()
    return vectors + torch.empty_like(vectors).uniform_(-1, 1) * scale.to(vectors.dtype)


def class_losses(
    logits: torch.Tensor, labels: torch.Tensor, smoothing: float, weights: torch.Tensor | None
) -> torch.Tensor:
    """Cross-entropy [L] of the class at each label; weights [C]."""
    return functional.cross_entropy(
        logits, labels, weights, reduction="none", label_smoothing=smoothing
    )


def flag_losses(
    logits: torch.Tensor, labels: torch.Tensor, smoothing: float, weights: torch.Tensor | None
) -> torch.Tensor:
    """Binary cross-entropy [L] of whether a row has a label; weights [N] of where it has."""
    soft = labels * (1 - smoothing) + smoothing / 2
    factor = None
    if weights is not None:
        factor = torch.where(labels > 0, weights.repeat(len(labels) // len(weights)), 1.0)
    return functional.binary_cross_entropy_with_logits(
        logits.squeeze(-1), soft, factor, reduction="none"
    )


def number_losses(
    logits: torch.Tensor, labels: torch.Tensor, smoothing: float, weights: torch.Tensor | None
) -> torch.Tensor:
    """Squared error [L] of a number."""
    return (logits.squeeze(-1) - labels) ** 2


Losses = Callable[[torch.Tensor, torch.Tensor, float, torch.Tensor | None], torch.Tensor]
# By what the labels are, as the model's config says; it says nothing for tokens and tags.
LOSSES: dict[str | None, Losses] = {
    None: class_losses,
    TAGS: class_losses,
    ONE: class_losses,
    MANY: flag_losses,
    NUMBER: number_losses,
}


def loss_sum(
    model: PreTrainedModel,
    pack: PaddedPack,
    smoothing: float = 0.0,
    noise: float = 0.0,
    weights: torch.Tensor | None = None,
    r_drop: float = 0.0,
) -> torch.Tensor:
    """Sum of the losses of a pack's labels, of which `label_count` tells the number.

    r_drop: what the divergence of a second pass counts in training, where there is dropout.
    """
    problem = model.config.problem_type
    logits, labels = label_logits(model, pack, noise)
    loss = LOSSES[problem](logits.float(), labels, smoothing, weights).sum()
    if r_drop == 0 or not model.training:
        return loss
    again, _ = label_logits(model, pack, noise)
    both = loss + LOSSES[problem](again.float(), labels, smoothing, weights).sum()
    return both / 2 + r_drop * divergence_of(problem)(logits.float(), again.float()).sum()


@torch.no_grad()
def check_padding(model: PreTrainedModel, rows: list[Row], tolerance: float) -> None:
    """Raise `UsageError` unless padded rows give the loss of each row alone.

    Catches models that look at padding in spite of the mask.
    """
    device = next(model.parameters()).device
    single = sum(float(loss_sum(model, pad_rows([row]).to(device))) for row in rows)
    padded = float(loss_sum(model, pad_rows(rows).to(device)))
    labels = sum(len(row["labels"]) for row in rows)
    if abs(padded - single) > tolerance * max(labels, single):
        raise UsageError(
            f"models of type {model.config.model_type} look at padding: the loss of {len(rows)} "
            f"rows is {padded:.4f} padded and {single:.4f} one by one"
        )
