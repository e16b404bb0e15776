"""How much harder an answer is to predict with its prompt than without: IFD.

Source: Li et al., "Superfiltering: Weak-to-Strong Data Filtering for Fast Instruction-Tuning"
(arXiv 2402.00530): a small model ranks rows much as a large one does.
"""

import math
from pathlib import Path

import torch
from torch.nn.functional import cross_entropy
from transformers import PreTrainedModel

from sftlib.compose.amounts import Row
from sftlib.core.labels import NO_LOSS
from sftlib.core.params import Params
from sftlib.core.records import record_from_json
from sftlib.encode.rows import Encoded, Encoder
from sftlib.train.batches import pack_rows
from sftlib.train.device import prepare_device
from sftlib.train.loss import label_logits
from sftlib.train.model import load_model

TOKENS_PER_PACK = 2048


def instruction_following_difficulty(rows: list[Row], model: Path, params: Params) -> list[float]:
    """Perplexity of the last answer after its prompt over that of the answer alone, per row.

    Rows that cannot be encoded get infinity.
    """
    device = prepare_device(params.train)
    encoder = Encoder(model, params.tokenize)
    encoded = encoder.encode([record_from_json(row) for row in rows])
    pairs = [answer_pair(row) if isinstance(row, Encoded) else None for row in encoded]
    asked = [number for number, pair in enumerate(pairs) if pair is not None]
    network = load_model(model, torch.bfloat16, device).eval()
    with_prompt = mean_losses(network, [pairs[number][0] for number in asked])  # type: ignore[index]
    alone = mean_losses(network, [pairs[number][1] for number in asked])  # type: ignore[index]
    scores = [math.inf] * len(rows)
    for number, conditioned, direct in zip(asked, with_prompt, alone, strict=True):
        scores[number] = math.exp(min(conditioned - direct, 50.0))
    return scores


def answer_pair(row: Encoded) -> tuple[dict[str, list[int]], dict[str, list[int]]] | None:
    """The row, and its last answer alone; in both the answer's tokens from the second on count.

    The first has nothing before it in the answer alone, so it can be predicted in one of them only.
    """
    ids, labels = row.input_ids.tolist(), row.labels.tolist()
    last = max(position for position, label in enumerate(labels) if label != NO_LOSS)
    first = last
    while first > 0 and labels[first - 1] != NO_LOSS:
        first -= 1
    if first == last:
        return None
    counted = [NO_LOSS] * (first + 1) + labels[first + 1 : last + 1]
    whole = {"input_ids": ids[: last + 1], "labels": counted}
    answer = {"input_ids": ids[first + 1 : last + 1], "labels": counted[first + 1 :]}
    return whole, answer


@torch.no_grad()
def mean_losses(model: PreTrainedModel, rows: list[dict[str, list[int]]]) -> list[float]:
    """Cross-entropy per label of each row, several rows in a flat pass."""
    losses: list[float] = []
    batch: list[dict[str, list[int]]] = []
    for number, row in enumerate(rows):
        batch.append(row)
        full = sum(len(r["input_ids"]) for r in batch) >= TOKENS_PER_PACK
        if full or number == len(rows) - 1:
            logits, labels = label_logits(model, pack_rows(batch).to(model.device))
            parts = cross_entropy(logits.float(), labels, reduction="none")
            counts = [sum(label != NO_LOSS for label in r["labels"]) for r in batch]
            losses += [float(part.mean()) for part in parts.split(counts)]
            batch = []
    return losses
