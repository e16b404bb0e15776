"""Causal attention within each sequence of a flat row, registered with transformers.

A pack is one row of T tokens that holds several sequences. Attending in each by itself costs less
than a T x T mask, and leaves nothing to be got wrong about masks.
"""

from itertools import pairwise
from typing import Any

import torch
from torch.nn.functional import scaled_dot_product_attention
from transformers import AttentionInterface

NAME = "per_sequence"


def attend(
    module: torch.nn.Module,
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    attention_mask: torch.Tensor | None,
    scaling: float | None = None,
    dropout: float = 0.0,
    bounds: list[int] | None = None,
    **unused: Any,
) -> tuple[torch.Tensor, None]:
    """Attention of query [1, H, T, D] over key, value [1, H or fewer, T, D] -> [1, T, H, D].

    bounds: where sequences begin, and T at the end; [0, 3, 7] are tokens 0..2 and 3..6.
    """
    if bounds is None or attention_mask is not None:
        raise ValueError("packs need their bounds, and take no attention mask")
    grouped = query.shape[1] != key.shape[1]
    parts = [
        scaled_dot_product_attention(
            query[:, :, start:end],
            key[:, :, start:end],
            value[:, :, start:end],
            dropout_p=dropout if module.training else 0.0,
            is_causal=True,
            scale=scaling,
            enable_gqa=grouped,
        )
        for start, end in pairwise(bounds)
    ]
    return torch.cat(parts, dim=2).transpose(1, 2), None


AttentionInterface.register(NAME, attend)
