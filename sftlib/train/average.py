"""A moving average of the trained weights (Polyak averaging)."""

from collections.abc import Iterator
from contextlib import contextmanager

import torch

from sftlib.train.model import Trainee

Weights = dict[str, torch.Tensor]


@torch.no_grad()
def update(average: Weights, trainee: Trainee, decay: float) -> None:
    """average = decay * average + (1 - decay) * weights; starts with the weights themselves."""
    for name, weight in trainee.trained.items():
        if name in average:
            average[name].lerp_(weight.detach(), 1 - decay)
        else:
            average[name] = weight.detach().clone()


@contextmanager
def averaged(average: Weights, trainee: Trainee) -> Iterator[None]:
    """The model has the averaged weights inside, and its own again after; nothing if empty."""
    own = trainee.snapshot() if average else {}
    if average:
        trainee.restore(average)
    yield
    if average:
        trainee.restore(own)
