"""Causal attention within each sequence of a flat row, registered with transformers.

A pack is one row of T tokens that holds several sequences. Attending in each by itself costs less
than a T x T mask, and leaves nothing to be got wrong about masks.
"""

from functools import lru_cache
from typing import Any

import torch
from torch.nn.functional import scaled_dot_product_attention
from transformers import AttentionInterface

from sftlib.train.prefixes import Segment

NAME = "per_sequence"


def attend(
    module: torch.nn.Module,
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    attention_mask: torch.Tensor | None,
    scaling: float | None = None,
    dropout: float = 0.0,
    segments: list[Segment] | None = None,
    **unused: Any,
) -> tuple[torch.Tensor, None]:
    """Attention of query [1, H, T, D] over key, value [1, H or fewer, T, D] -> [1, T, H, D].

    Each segment attends to its context and, causally, to itself.
    """
    if segments is None or attention_mask is not None:
        raise ValueError("packs need their segments, and take no attention mask")
    grouped = query.shape[1] != key.shape[1]
    # Split once: the gradient of a slice would be a whole row of zeros, for every slice.
    sizes = [segment.end - segment.start for segment in segments]
    queries = query.split(sizes, dim=2)
    keys = dict(zip(segments, key.split(sizes, dim=2), strict=True))
    values = dict(zip(segments, value.split(sizes, dim=2), strict=True))
    parts = []
    for segment, own_query in zip(segments, queries, strict=True):
        mask = None
        if segment.context:
            before = sum(shared.end - shared.start for shared in segment.context)
            mask = shifted_causal(segment.end - segment.start, before, query.device)
        part = scaled_dot_product_attention(
            own_query,
            gather(keys, segment),
            gather(values, segment),
            attn_mask=mask,
            dropout_p=dropout if module.training else 0.0,
            is_causal=mask is None,
            scale=scaling,
            enable_gqa=grouped,
        )
        parts.append(part)
    return torch.cat(parts, dim=2).transpose(1, 2), None


def gather(tensors: dict[Segment, torch.Tensor], segment: Segment) -> torch.Tensor:
    """The context and the segment itself, of keys or values [1, H, T, D]."""
    if not segment.context:
        return tensors[segment]
    return torch.cat([tensors[run] for run in (*segment.context, segment)], dim=2)


@lru_cache(maxsize=1024)
def shifted_causal(tokens: int, before: int, device: torch.device) -> torch.Tensor:
    """Mask [tokens, before + tokens]: all that stands before, and each token up to itself."""
    full = torch.ones(tokens, before + tokens, dtype=torch.bool, device=device)
    return full.tril(diagonal=before)


AttentionInterface.register(NAME, attend)
