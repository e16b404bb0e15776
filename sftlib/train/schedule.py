"""The learning rate and the optimizer."""

import math
import re
from collections import defaultdict

import torch

from sftlib.core.params import Train

LAYER = re.compile(r"\.(?:layers?|h|block)\.(\d+)\.")


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
    """AdamW (arXiv 1711.05101); weights decay only in matrices, not in biases and norms.

    Each group has `scale`, what the learning rate is multiplied with in its layer.
    """
    groups: dict[tuple[float, float], list[torch.nn.Parameter]] = defaultdict(list)
    scales = layer_scales(list(trained), train.layer_lr_decay)
    for name, weight in trained.items():
        decay = train.weight_decay if weight.ndim >= 2 else 0.0
        groups[decay, scales[name]].append(weight)
    blocks = [
        {"params": weights, "weight_decay": decay, "scale": scale}
        for (decay, scale), weights in groups.items()
    ]
    return torch.optim.AdamW(blocks, lr=train.lr, fused=True)


def layer_scales(names: list[str], decay: float) -> dict[str, float]:
    """Name of a weight -> decay ** (layers above it): the head 1, the embeddings least.

    Source: Howard and Ruder, "Universal Language Model Fine-tuning" (arXiv 1801.06146).

    >>> layer_scales(["embed.weight", "model.layers.1.w", "model.layers.0.w", "norm.w"], 0.5)
    {'embed.weight': 0.125, 'model.layers.1.w': 0.5, 'model.layers.0.w': 0.25, 'norm.w': 1.0}
    """
    depths = {name: int(found[1]) for name in names if (found := LAYER.search(name))}
    layers = max(depths.values(), default=-1) + 1
    above = {name: layers - depth for name, depth in depths.items()}
    above |= {name: layers + 1 for name in names if "embed" in name and name not in depths}
    return {name: decay ** above.get(name, 0) for name in names}


def set_lr(optimizer: torch.optim.Optimizer, lr: float) -> None:
    for group in optimizer.param_groups:
        group["lr"] = lr * group["scale"]
