"""Rows that cover the data: each next one is the farthest from those already chosen.

Source: greedy k-centre, Sener and Savarese, "Active Learning for Convolutional Neural Networks: A
Core-Set Approach" (arXiv 1708.00489).
"""

from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from sftlib.compose.amounts import Row, drawn
from sftlib.core.params import Train
from sftlib.core.records import record_from_json, record_text
from sftlib.train.device import prepare_device

ROWS_PER_BATCH = 32
MAX_TOKENS = 256


def farthest_first(rows: list[Row], count: int, model: Path, train: Train) -> set[str]:
    """Ids of `count` rows, by cosine distance of their embeddings; the first is drawn by lot."""
    if not rows:
        return set()
    vectors = embed([record_text(record_from_json(row)) for row in rows], model, train)
    numbers = {row["id"]: number for number, row in enumerate(rows)}
    newest = numbers[drawn(rows, "diverse")[0]["id"]]
    chosen, nearest = [newest], np.full(len(rows), -np.inf)
    while len(chosen) < min(count, len(rows)):
        nearest = np.maximum(nearest, vectors @ vectors[newest])
        nearest[chosen] = np.inf
        newest = int(nearest.argmin())
        chosen.append(newest)
    return {rows[number]["id"] for number in chosen}


@torch.no_grad()
def embed(texts: list[str], model: Path, train: Train) -> NDArray[np.float64]:
    """Mean of the last hidden states of each text, of length 1: [rows, width]."""
    from transformers import AutoModel, AutoTokenizer

    device = prepare_device(train)
    place = {"local_files_only": True, "trust_remote_code": False}
    tokenizer = AutoTokenizer.from_pretrained(str(model), **place)
    network = AutoModel.from_pretrained(str(model), use_safetensors=True, **place)
    network = network.float().to(device).eval()
    tokenizer.pad_token = tokenizer.pad_token or tokenizer.eos_token
    order = sorted(range(len(texts)), key=lambda number: (len(texts[number]), number))
    vectors = np.zeros((len(texts), network.config.hidden_size))
    for start in range(0, len(order), ROWS_PER_BATCH):
        batch = order[start : start + ROWS_PER_BATCH]
        tokens = tokenizer(
            [texts[number] for number in batch],
            padding=True,
            truncation=True,
            max_length=MAX_TOKENS,
            return_tensors="pt",
        )
        ids, mask = (tokens[name].to(device) for name in ("input_ids", "attention_mask"))
        hidden = network(input_ids=ids, attention_mask=mask).last_hidden_state
        means = (hidden * mask.unsqueeze(-1)).sum(1) / mask.sum(1, keepdim=True).clamp(min=1)
        vectors[batch] = means.double().cpu().numpy()
    vectors /= np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-12)
    return vectors
