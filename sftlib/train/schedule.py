"""The learning rate and the optimizer."""

import math

import torch

from sftlib.core.params import Train


def lr_factor(step: int, steps: int, warmup: float) -> float:
    """What the learning rate is multiplied with at `step` (from 0) of `steps`.

    Linear warm-up over the first share `warmup`, then half a cosine towards 0 (SGDR, Loshchilov and
    Hutter, arXiv 1608.03983).

    >>> [round(lr_factor(step, 10, 0.2), 2) for step in (0, 1, 2, 6, 9)]
    [0.5, 1.0, 1.0, 0.5, 0.04]
    """
    rising = math.ceil(warmup * steps)
    if step < rising:
        return (step + 1) / rising
    return 0.5 * (1 + math.cos(math.pi * (step - rising) / max(1, steps - rising)))


def make_optimizer(trained: dict[str, torch.nn.Parameter], train: Train) -> torch.optim.AdamW:
    """AdamW (arXiv 1711.05101); weights decay only in matrices, not in biases and norms."""
    matrices = [weight for weight in trained.values() if weight.ndim >= 2]
    vectors = [weight for weight in trained.values() if weight.ndim < 2]
    groups = [
        {"params": matrices, "weight_decay": train.weight_decay},
        {"params": vectors, "weight_decay": 0.0},
    ]
    return torch.optim.AdamW(
        [group for group in groups if group["params"]], lr=train.lr, fused=True
    )
