"""A model whose weights lie in shards, one on each rank, and are gathered where they are needed.

Source: fully sharded data parallelism, arXiv 2304.11277; here by torch's `fully_shard`.
"""

from collections.abc import Callable
from typing import Any, TypeVar

import torch
from torch.distributed.device_mesh import init_device_mesh
from torch.distributed.fsdp import FSDPModule, fully_shard
from torch.distributed.tensor import DTensor, distribute_tensor
from transformers import PreTrainedModel
from transformers.modeling_layers import GradientCheckpointingLayer

from sftlib.core.errors import UsageError
from sftlib.train import ranks

Result = TypeVar("Result")


class Sharded(torch.nn.Module):
    """A model in shards; those outside its blocks are whole inside `forward`, blocks in their own.

    Its forward is any function of the model, since the loss takes embeddings, blocks and head by
    themselves, and embeddings and head may share weights.
    """

    def __init__(self, model: PreTrainedModel) -> None:
        super().__init__()
        self.model = model

    def forward(self, function: Callable[..., Result], *arguments: object) -> Result:
        return function(self.model, *arguments)


def shard(model: PreTrainedModel, device: torch.device) -> Sharded:
    """Leave a part of each weight of `model` on each rank; gradients are summed over ranks.

    Weights are gathered for each block of the model by itself, forward and again backward.
    Raises `UsageError` unless the weights that are trained are the same on all ranks.
    """
    check_alike(model)
    mesh = init_device_mesh(device.type, (ranks.count(),))
    sharded = Sharded(model)
    blocks = [part for part in model.modules() if isinstance(part, GradientCheckpointingLayer)]
    for part in (*blocks, sharded):
        fully_shard(part, mesh=mesh, reshard_after_forward=True)
    for part in sharded.modules():
        if isinstance(part, FSDPModule):  # by itself it would divide by the number of ranks
            part.set_force_sum_reduction_for_comms(True)
            part.set_gradient_divide_factor(1.0)
    return sharded


def check_alike(model: PreTrainedModel) -> None:
    """Adapters and new heads are made by each rank: other CPUs or libraries may round otherwise."""
    trained = [weight for weight in model.parameters() if weight.requires_grad]
    sums = " ".join(str(float(weight.detach().sum(dtype=torch.float64))) for weight in trained)
    if ranks.total(float(sums != ranks.text_of_first(sums))) > 0:
        raise UsageError(
            "the weights to train are not the same on all nodes: use nodes of one type of CPU, and "
            "train.lora.variant: lora"
        )


def gathered(tensor: torch.Tensor) -> torch.Tensor:
    """The whole of a tensor on the CPU; every rank takes part."""
    if isinstance(tensor, DTensor):
        shards: Any = tensor.to(tensor.device_mesh.device_type)
        tensor = shards.full_tensor()
    return tensor.detach().cpu()


def scattered(tensor: torch.Tensor | None, weight: torch.Tensor) -> torch.Tensor:
    """The first rank's tensor as `weight` lies: in shards, if it does; the others have None."""
    if isinstance(weight, DTensor):
        whole = torch.empty(weight.shape, dtype=weight.dtype) if tensor is None else tensor
        return distribute_tensor(whole, weight.device_mesh, weight.placements)
    assert tensor is not None
    return tensor.to(weight.device)
