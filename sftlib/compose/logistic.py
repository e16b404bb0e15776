"""Logistic regression on vectors, which few rows can teach and which takes a moment."""

import numpy as np
import torch
from numpy.typing import NDArray
from torch.nn.functional import cross_entropy

PENALTY = 1e-4  # on the squared weights, beside the mean loss of a row
STEPS = 200

Floats = NDArray[np.float64]


def fit_logistic(vectors: Floats, classes: NDArray[np.int64], count: int) -> Floats:
    """Weights [D + 1, C] of the lowest penalised loss; vectors [R, D], classes [R] below C.

    The last row is the bias, which has no penalty.
    """
    inputs = torch.from_numpy(vectors)
    weights = torch.zeros(vectors.shape[1] + 1, count, dtype=torch.float64, requires_grad=True)
    gold = torch.from_numpy(classes)
    optimizer = torch.optim.LBFGS([weights], max_iter=STEPS, line_search_fn="strong_wolfe")

    def loss() -> torch.Tensor:
        optimizer.zero_grad()
        value = cross_entropy(inputs @ weights[:-1] + weights[-1], gold)
        value = value + PENALTY * weights[:-1].square().sum()
        value.backward()
        return value

    optimizer.step(loss)
    return weights.detach().numpy()


def probabilities(weights: Floats, vectors: Floats) -> Floats:
    """[R, C], of which each row sums to 1."""
    logits = torch.from_numpy(vectors @ weights[:-1] + weights[-1])
    return logits.softmax(dim=-1).numpy()
