"""R-Drop: two passes through dropout are to say the same of a label.

The loss is the mean of both passes plus alpha times the divergence of what they say.

Source: Liang et al., "R-Drop: Regularized Dropout for Neural Networks" (arXiv 2106.14448), scaled
as in its published code: the paper's alpha, which stands beside the sum of both, is twice this one.
"""

from collections.abc import Callable

import torch
from torch.nn import functional

from sftlib.core.errors import UsageError
from sftlib.core.labels import MANY, ONE, TAGS


def symmetric_kl(first: torch.Tensor, second: torch.Tensor) -> torch.Tensor:
    """The mean of both Kullback-Leibler divergences [...] of two log-distributions [..., C]."""
    difference = (first.exp() - second.exp()) * (first - second)
    return difference.sum(dim=-1) / 2


def class_divergence(first: torch.Tensor, second: torch.Tensor) -> torch.Tensor:
    """[L], of logits [L, C] of one class among C."""
    return symmetric_kl(first.log_softmax(dim=-1), second.log_softmax(dim=-1))


def flag_divergence(first: torch.Tensor, second: torch.Tensor) -> torch.Tensor:
    """[L], of logits [L, 1] of whether a row has a label."""
    return symmetric_kl(yes_and_no(first), yes_and_no(second))


def yes_and_no(logits: torch.Tensor) -> torch.Tensor:
    """Log-probabilities [L, 2] from logits [L, 1]."""
    return torch.cat([functional.logsigmoid(logits), functional.logsigmoid(-logits)], dim=-1)


Divergence = Callable[[torch.Tensor, torch.Tensor], torch.Tensor]
# By what the labels are, as the model's config says; a score is no distribution.
DIVERGENCES: dict[str | None, Divergence] = {
    None: class_divergence,
    TAGS: class_divergence,
    ONE: class_divergence,
    MANY: flag_divergence,
}


def divergence_of(problem: str | None) -> Divergence:
    """How labels of this kind are compared; `UsageError` for scores."""
    if problem not in DIVERGENCES:
        raise UsageError(
            f"train.r_drop: labels of {problem} have no distribution in which two passes could "
            "agree: set it to null"
        )
    return DIVERGENCES[problem]
