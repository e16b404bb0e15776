"""Gated layers that keep two tensors for the backward pass in place of three.

`silu(gate) * up` keeps gate, silu(gate) and up, each of them as wide as the layer, which is the
most of what a block of the Llama type keeps; two of them tell the third.
"""

from functools import partial
from typing import Any

import torch
from torch.autograd.function import once_differentiable
from torch.nn.functional import silu

PARTS = {"gate_proj", "up_proj", "down_proj", "act_fn"}


def save_memory_of_gates(model: torch.nn.Module) -> None:
    """Let the gated layers of `model` that use SiLU compute so, in place."""
    for module in model.modules():
        if dict(module.named_children()).keys() == PARTS and is_silu(module.act_fn):
            module.forward = partial(gated, module)


def is_silu(activation: Any) -> bool:
    """Whether it is that of torch or of transformers; one of them may be wrapped."""
    probe = torch.linspace(-4, 4, 9)
    return torch.equal(activation(probe), silu(probe))


def gated(module: Any, inputs: torch.Tensor) -> torch.Tensor:
    """The output [..., D] of a layer for inputs [..., D]."""
    product = Gate.apply(module.gate_proj(inputs), module.up_proj(inputs))
    output: torch.Tensor = module.down_proj(product)
    return output


class Gate(torch.autograd.Function):
    """silu(gate) * up."""

    @staticmethod
    def forward(ctx: Any, gate: torch.Tensor, up: torch.Tensor) -> torch.Tensor:
        ctx.save_for_backward(gate, up)
        return silu(gate).mul_(up)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        gate, up = ctx.saved_tensors
        of_gate = torch.ops.aten.silu_backward(gradient * up, gate)
        return of_gate, silu(gate).mul_(gradient)
