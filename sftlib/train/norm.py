"""Normalisation by the root mean square that keeps its input alone for the backward pass.

transformers computes it step by step, and autograd keeps two tensors for each norm and the scale:
for SmolLM2-135M a tenth of the memory of a step.
"""

from functools import partial
from typing import Any

import torch
from torch.autograd.function import once_differentiable
from torch.linalg import vector_norm


def fuse_norms(model: torch.nn.Module) -> None:
    """Let the layers of `model` that scale by the root mean square compute so, in place."""
    for module in model.modules():
        if hasattr(module, "variance_epsilon") and is_plain(module):
            module.forward = partial(normalised, module)


@torch.no_grad()
def is_plain(module: Any) -> bool:
    """Whether a layer is `x / rms(x) * weight`, and nothing else."""
    names = [name for name, _ in module.named_parameters()]
    if names != ["weight"] or module.weight.is_meta:
        return False
    width = len(module.weight)
    probe = torch.linspace(-2, 3, 2 * width, device=module.weight.device).view(2, width)
    expected = module(probe)
    return torch.allclose(normalised(module, probe).to(expected.dtype), expected, rtol=1e-2)


def normalised(module: Any, inputs: torch.Tensor) -> torch.Tensor:
    """The output [..., D] of a layer for inputs [..., D]."""
    output: torch.Tensor = RootMeanSquare.apply(inputs, module.weight, module.variance_epsilon)
    return output


class RootMeanSquare(torch.autograd.Function):
    """x / sqrt(mean(x^2) + epsilon) * weight, in fp32 (Zhang and Sennrich, arXiv 1910.07467)."""

    @staticmethod
    def forward(
        ctx: Any, inputs: torch.Tensor, weight: torch.Tensor, epsilon: float
    ) -> torch.Tensor:
        states = inputs.float()
        mean_square = vector_norm(states, dim=-1, keepdim=True).square_() / states.shape[-1]
        scale = mean_square.add_(epsilon).rsqrt_()
        ctx.save_for_backward(inputs, weight, scale)
        output: torch.Tensor = (states * scale).mul_(weight)
        return output.to(torch.promote_types(inputs.dtype, weight.dtype))

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: torch.Tensor) -> tuple[torch.Tensor | None, ...]:
        inputs, weight, scale = ctx.saved_tensors
        width = inputs.shape[-1]
        rows, scales = inputs.float().reshape(-1, width), scale.view(-1, 1)
        incoming = gradient.float().reshape(-1, width)
        products = incoming * rows
        of_weight = of_inputs = None
        if ctx.needs_input_grad[1]:
            of_weight = (scales.T @ products).view(-1).to(weight.dtype)
        if ctx.needs_input_grad[0]:
            along = (products @ weight.float().view(-1, 1)).mul_(scales.pow(3)).div_(width)
            of_inputs = torch.mul(incoming, weight).mul_(scales).addcmul_(rows, along, value=-1)
            of_inputs = of_inputs.to(inputs.dtype).view_as(inputs)
        return of_inputs, of_weight, None
