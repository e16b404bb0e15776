"""Norms in one operation compute the same, and keep less."""

from pathlib import Path

import pytest
import torch
from test_loss import CPU, KINDS, assert_equal_gradients, kept_tensors, write_model
from test_train import FULL, PROMPTED, row
from torch.nn import Module, Parameter
from transformers.models.gemma.modeling_gemma import GemmaRMSNorm
from transformers.models.llama.modeling_llama import LlamaRMSNorm
from transformers.models.t5.modeling_t5 import T5LayerNorm

from sftlib.train.batches import pack_rows
from sftlib.train.model import Trainee, load_model
from sftlib.train.norm import fuse_norms, is_plain, normalised

PACK = pack_rows([*PROMPTED, row(1, 9)])


def norm_of(width: int, dtype: torch.dtype) -> LlamaRMSNorm:
    norm = LlamaRMSNorm(width, 1e-3)
    norm.weight = Parameter(torch.randn(width, dtype=dtype))
    return norm


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16], ids=["fp32", "bf16"])
def test_outputs_and_gradients_are_those_of_transformers(dtype: torch.dtype) -> None:
    torch.manual_seed(0)
    norm, inputs = norm_of(11, dtype), torch.randn(3, 7, 11, dtype=dtype, requires_grad=True)
    weights = torch.randn(3, 7, 11)
    bound = 1e-6 if dtype is torch.float32 else 0.03
    found = []
    for forward in (norm, lambda x: normalised(norm, x)):
        output = forward(inputs)
        gradients = torch.autograd.grad((output * weights).sum(), [inputs, norm.weight])
        found.append((output, *gradients))
    for theirs, own in zip(*found, strict=True):
        assert own.dtype == theirs.dtype == dtype
        assert torch.allclose(own, theirs, rtol=bound, atol=bound)


def test_states_in_fp32_and_weights_in_bf16() -> None:
    norm, inputs = norm_of(11, torch.bfloat16), torch.randn(7, 11)
    assert normalised(norm, inputs).dtype == norm(inputs).dtype == torch.float32


@pytest.mark.parametrize("kind", ["llama", "qwen2", "qwen3"])
def test_a_trained_model_keeps_one_tensor_of_a_norm(kind: str, tmp_path: Path) -> None:
    folder = write_model(kind, tmp_path)
    plain, trainee = load_model(folder, torch.float32, CPU), Trainee(folder, FULL, CPU)
    width = KINDS[kind].hidden_size
    kept = [kept_tensors(model, PACK, width) for model in (plain, trainee.model)]
    norms = 2 * plain.config.num_hidden_layers + 1
    assert kept[0] - kept[1] == norms
    assert_equal_gradients(trainee.model, plain)


def test_norms_that_do_more_stay() -> None:
    class Shifted(LlamaRMSNorm):
        def forward(self, hidden_states: torch.Tensor) -> torch.Tensor:
            return super().forward(hidden_states) + 1

    assert is_plain(LlamaRMSNorm(8)) and is_plain(T5LayerNorm(8))
    layers: list[Module] = [Shifted(8), GemmaRMSNorm(8), torch.nn.LayerNorm(8)]
    fuse_norms(torch.nn.Sequential(*layers))
    assert not any("forward" in vars(layer) for layer in layers)
