"""Dropout on the CPU whose masks are drawn many at a time.

torch draws one float per element there, with one thread: a sixth of a step of a small encoder. Here
16 random bits decide on an element, four of them out of each draw, which costs a tenth. torch's
generator gives the seed of each mask, so that all repeats as before.
"""

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from typing import Any

import numpy as np
import torch
from torch.nn import functional
from torch.overrides import TorchFunctionMode

STEPS = 1 << 16  # of a probability


class QuickDropout(TorchFunctionMode):
    """Within it, dropout on the CPU draws its masks here, in whatever model it is."""

    def __torch_function__(
        self,
        function: Callable[..., Any],
        types: Any,
        args: tuple[Any, ...] = (),
        kwargs: dict[str, Any] | None = None,
    ) -> Any:
        return QUICK.get(function, function)(*args, **(kwargs or {}))


def quick_dropout(device: torch.device) -> AbstractContextManager[Any]:
    """The mode on the CPU; nothing elsewhere, where it would only slow down every call of torch."""
    return QuickDropout() if device.type == "cpu" else nullcontext()


def checkpointing_contexts(device: torch.device) -> tuple[AbstractContextManager[Any], ...]:
    """Of the forward pass and of computing it again, which happens outside the mode around it."""
    return nullcontext(), quick_dropout(device)


def dropout(
    vectors: torch.Tensor, p: float = 0.5, training: bool = True, inplace: bool = False
) -> torch.Tensor:
    """`torch.nn.functional.dropout`, whose p counts in 65,536ths; never in place."""
    dropped = round(p * STEPS)
    if not training or dropped in (0, STEPS):
        return functional.dropout(vectors, p, training)
    bits = random_bits(vectors.numel()).view(vectors.shape)
    # Compared into its own type: five times as fast as turning flags into numbers.
    kept = torch.ge(bits, dropped - STEPS // 2, out=torch.empty_like(vectors))
    return vectors * kept.mul_(STEPS / (STEPS - dropped))


def random_bits(count: int) -> torch.Tensor:
    """Uniform int16 [count], seeded by torch's generator."""
    seed = int(torch.randint(1 << 62, ()))
    draws = np.random.SFC64(seed).random_raw(-(-count // 4))
    return torch.from_numpy(draws.view(np.int16)[:count])


def attend(
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    attn_mask: torch.Tensor | None = None,
    dropout_p: float = 0.0,
    is_causal: bool = False,
    scale: float | None = None,
    enable_gqa: bool = False,
) -> torch.Tensor:
    """`scaled_dot_product_attention`; torch has no kernel with dropout for the CPU either."""
    if dropout_p == 0:
        return functional.scaled_dot_product_attention(
            query, key, value, attn_mask, is_causal=is_causal, scale=scale, enable_gqa=enable_gqa
        )
    if enable_gqa:
        groups = query.shape[1] // key.shape[1]
        key, value = key.repeat_interleave(groups, 1), value.repeat_interleave(groups, 1)
    if is_causal:
        attn_mask = torch.ones(query.shape[2], key.shape[2], dtype=torch.bool).tril()
    scores = (query * (scale or query.shape[-1] ** -0.5)) @ key.transpose(-2, -1)
    if attn_mask is not None and attn_mask.dtype == torch.bool:
        scores = scores.masked_fill(~attn_mask, torch.finfo(scores.dtype).min)
    elif attn_mask is not None:
        scores = scores + attn_mask
    return dropout(scores.softmax(dim=-1), dropout_p) @ value


QUICK: dict[Callable[..., Any], Callable[..., torch.Tensor]] = {
    functional.dropout: dropout,
    functional.scaled_dot_product_attention: attend,
}
