"""A frozen matrix and its adapter in one operation.

peft adds `scale * B(A(x))` to `W(x)` in four operations, each of which writes a tensor of the size
of the output and reads it again; matrices of a small model are small enough for that to count. Here
the adapter's product is added to the output where it lies, and its gradient to that of the input.
"""

from functools import partial
from typing import Any

import torch
from torch.autograd.function import once_differentiable
from torch.nn.functional import linear


def fuse_adapters(model: torch.nn.Module) -> None:
    """Let plain adapters of `model` compute so, in place; peft's variants and dropout stay."""
    from peft.tuners.lora import Linear

    for module in model.modules():
        if isinstance(module, Linear) and is_plain(module):
            module.forward = partial(adapted, module)


def is_plain(module: Any) -> bool:
    """Whether an adapter adds `scale * B(A(x))` to a plain matrix, and does nothing else."""
    return (
        type(module.base_layer) is torch.nn.Linear
        and not module.lora_variant
        and all(isinstance(drop, torch.nn.Identity) for drop in module.lora_dropout.values())
    )


def adapted(module: Any, inputs: torch.Tensor) -> torch.Tensor:
    """The output [..., out] of a peft layer for inputs [..., in]."""
    device = inputs.device.type
    if torch.is_autocast_enabled(device):
        inputs = inputs.to(torch.get_autocast_dtype(device))
    base, down, up = module.base_layer, module.lora_A["default"], module.lora_B["default"]
    bias = None if base.bias is None else base.bias.to(inputs.dtype)
    weights = [weight.to(inputs.dtype) for weight in (base.weight, down.weight, up.weight)]
    with torch.autocast(device, enabled=False):
        output: torch.Tensor = AdaptedLinear.apply(
            inputs, *weights, bias, float(module.scaling["default"])
        )
    return output


class AdaptedLinear(torch.autograd.Function):
    """x W' + bias + scale * x A' B', where W and bias are frozen."""

    @staticmethod
    def forward(
        ctx: Any,
        inputs: torch.Tensor,
        weight: torch.Tensor,
        down: torch.Tensor,
        up: torch.Tensor,
        bias: torch.Tensor | None,
        scale: float,
    ) -> torch.Tensor:
        low = linear(inputs, down)
        output = linear(inputs, weight, bias)
        output.flatten(0, -2).addmm_(low.flatten(0, -2), up.T, alpha=scale)
        ctx.save_for_backward(inputs, weight, down, up, low)
        ctx.scale = scale
        return output

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: torch.Tensor) -> tuple[torch.Tensor | None, ...]:
        inputs, weight, down, up, low = ctx.saved_tensors
        rows = gradient.flatten(0, -2)
        of_low = (rows @ up).mul_(ctx.scale)
        of_inputs = None
        if ctx.needs_input_grad[0]:
            of_inputs = (rows @ weight).addmm_(of_low, down).view_as(inputs)
        of_down = of_low.T @ inputs.flatten(0, -2)
        of_up = (rows.T @ low.flatten(0, -2)).mul_(ctx.scale)
        return of_inputs, None, of_down, of_up, None, None
