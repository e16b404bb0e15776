"""What an encoder makes of texts: a vector for each."""

from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from transformers import PreTrainedModel

from sftlib.core.params import Train
from sftlib.train.device import prepare_device

ROWS_PER_BATCH = 32
MAX_TOKENS = 256
OWN_FILES = {"local_files_only": True, "trust_remote_code": False}


def load_encoder(model: Path) -> PreTrainedModel:
    """The model in a folder without its head, in fp32."""
    from transformers import AutoModel
    from transformers.utils import logging

    logging.disable_progress_bar()
    network: PreTrainedModel = AutoModel.from_pretrained(
        str(model), use_safetensors=True, **OWN_FILES
    )
    network.float().eval()
    return network


@torch.no_grad()
def embed(texts: list[str], model: Path, train: Train) -> NDArray[np.float64]:
    """Mean of the last hidden states of each text, of length 1: [rows, width]."""
    from transformers import AutoTokenizer

    device = prepare_device(train)
    tokenizer = AutoTokenizer.from_pretrained(str(model), **OWN_FILES)
    network = load_encoder(model).to(device)  # type: ignore[arg-type]
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
