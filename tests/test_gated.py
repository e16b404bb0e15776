"""Gated layers that keep less compute the same."""

from pathlib import Path

import pytest
import torch
from test_loss import CPU, KINDS, assert_equal_gradients, kept_tensors, write_model
from test_train import FULL, PROMPTED, row

from sftlib.train.batches import pack_rows
from sftlib.train.gated import Gate, gated
from sftlib.train.model import Trainee, load_model

PACK = pack_rows([*PROMPTED, row(1, 9)])


@pytest.mark.parametrize("precision", [torch.float32, torch.bfloat16], ids=["fp32", "bf16"])
def test_gradients_are_torch_s(precision: torch.dtype) -> None:
    torch.manual_seed(0)
    gate, up = (torch.randn(7, 11, dtype=precision, requires_grad=True) for _ in range(2))
    weights = torch.randn(7, 11)
    found = torch.autograd.grad((Gate.apply(gate, up) * weights).sum(), [gate, up])
    expected = torch.autograd.grad(
        (torch.nn.functional.silu(gate) * up * weights).sum(), [gate, up]
    )
    bound = 1e-6 if precision is torch.float32 else 0.02
    for own, theirs in zip(found, expected, strict=True):
        assert own.dtype == theirs.dtype
        assert torch.allclose(own, theirs, rtol=bound, atol=bound)


@pytest.mark.parametrize("kind", ["llama", "qwen2", "qwen3"])
def test_a_trained_model_keeps_fewer_tensors(kind: str, tmp_path: Path) -> None:
    folder = write_model(kind, tmp_path)
    plain, trainee = load_model(folder, torch.float32, CPU), Trainee(folder, FULL, CPU)
    width = KINDS[kind].intermediate_size
    kept = [kept_tensors(model, PACK, width) for model in (plain, trainee.model)]
    layers = plain.config.num_hidden_layers
    assert kept == [3 * layers, 2 * layers]  # and their product, flat
    assert_equal_gradients(trainee.model, plain)


def layers_of(model: torch.nn.Module) -> list[torch.nn.Module]:
    """All parts of a model but its norms."""
    return [module for module in model.modules() if not hasattr(module, "variance_epsilon")]


def test_other_activations_and_layers_stay(tmp_path: Path) -> None:
    for kind, changes in (("llama", {"hidden_act": "gelu"}), ("gpt2", {})):
        folder = write_model(kind, tmp_path / kind)
        config = load_model(folder, torch.float32, CPU).config
        config.update(changes)
        config.save_pretrained(folder)
        model = Trainee(folder, FULL, CPU).model
        assert not any("forward" in vars(module) for module in layers_of(model))
    patched = Trainee(write_model("llama", tmp_path), FULL, CPU).model
    assert sum("forward" in vars(module) for module in layers_of(patched)) == 2
    assert gated(patched.model.layers[0].mlp, torch.zeros(1, 2, 32)).abs().sum() == 0
