"""The LoRA family: what is adapted, and that the saved model is the trained one."""

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from conftest import ROOT
from peft import AutoPeftModelForCausalLM
from peft.tuners.lora import Linear
from test_loss import CPU, write_model
from test_params import faulty
from test_train import PROMPTED, TRAIN

from sftlib.core.errors import UsageError
from sftlib.core.params import Lora, Train, load_params
from sftlib.report.card import usage
from sftlib.train.attention import NAME
from sftlib.train.batches import pack_rows
from sftlib.train.loss import label_logits, loss_sum
from sftlib.train.model import Trainee, load_model

VARIANTS = ("lora", "rslora", "dora", "pissa")
PACK = pack_rows(PROMPTED)


def trained(model: Path, **keys: object) -> Trainee:
    """A model whose adapters are no longer what they were at the start."""
    torch.manual_seed(1)
    trainee = Trainee(model, with_lora(**keys), CPU)
    with torch.no_grad():
        for weight in trainee.trained.values():
            weight += 0.02 * torch.randn_like(weight)
    return trainee


def with_lora(**keys: object) -> Train:
    return replace(TRAIN, lora=replace(Lora(4, 8.0, 0.0), **keys))  # type: ignore[arg-type]


@torch.no_grad()
def logits(model: torch.nn.Module) -> torch.Tensor:
    return label_logits(model.eval(), PACK)[0]  # type: ignore[arg-type]


@pytest.mark.parametrize("kind", ["llama", "gpt2"])
@pytest.mark.parametrize("variant", VARIANTS)
@pytest.mark.parametrize("merge", [True, False], ids=["merged", "adapters"])
def test_the_saved_model_answers_like_the_trained_one(
    tmp_path: Path, kind: str, variant: str, merge: bool
) -> None:
    base = write_model(kind, tmp_path / "base")
    untouched = logits(load_model(base, torch.float32, CPU))
    started = Trainee(base, with_lora(variant=variant), CPU)
    assert torch.allclose(logits(started.model), untouched, atol=1e-4)
    trainee = trained(base, variant=variant, merge=merge)
    expected = logits(trainee.model)
    assert not torch.allclose(expected, untouched, atol=1e-2)
    trainee.save(tmp_path / "tuned")
    assert (tmp_path / "tuned/adapter_config.json").exists() != merge
    assert (tmp_path / "tuned/config.json").exists() == merge
    saved = load_model(tmp_path / "tuned", torch.float32, CPU)
    assert torch.allclose(logits(saved), expected, atol=1e-4)


@pytest.mark.parametrize("precision", [torch.float32, torch.bfloat16], ids=["fp32", "bf16"])
@pytest.mark.parametrize("variant", ["lora", "rslora", "pissa"])
def test_one_operation_gives_what_peft_gives(
    tmp_path: Path, variant: str, precision: torch.dtype
) -> None:
    trainee = trained(write_model("qwen2", tmp_path), variant=variant)  # which has biases
    mixed = torch.autocast("cpu", torch.bfloat16, enabled=precision is torch.bfloat16)

    def loss_and_gradients() -> list[torch.Tensor]:
        with mixed:
            loss = loss_sum(trainee.model.train(), PACK)
        trainee.model.zero_grad()
        loss.backward()
        return [loss.detach(), *(weight.grad for weight in trainee.trained.values())]

    fused = loss_and_gradients()
    layers = [module for module in trainee.model.modules() if isinstance(module, Linear)]
    assert len(layers) == 7 * trainee.model.config.num_hidden_layers
    for layer in layers:
        del layer.forward  # of the layer itself, in place of its class's
    bound = 1e-5 if precision is torch.float32 else 0.05
    for own, theirs in zip(fused, loss_and_gradients(), strict=True):
        assert own.dtype == theirs.dtype == torch.float32
        assert torch.allclose(own, theirs, rtol=bound, atol=bound * float(theirs.abs().max()))


@pytest.mark.parametrize("keys", [{"variant": "dora"}, {"dropout": 0.1}], ids=["dora", "dropout"])
def test_what_is_not_plain_is_left_to_peft(tmp_path: Path, keys: dict[str, object]) -> None:
    model = trained(write_model("llama", tmp_path), **keys).model
    layers = [module for module in model.modules() if isinstance(module, Linear)]
    assert layers and not any("forward" in vars(layer) for layer in layers)


def test_saved_adapters_name_no_place_on_this_machine(tmp_path: Path) -> None:
    base = write_model("llama", tmp_path / "base")
    for name in ("a", "b"):
        trained(base, merge=False).save(tmp_path / name)
    names = sorted(path.name for path in (tmp_path / "a").iterdir())
    assert names == ["adapter_config.json", "adapter_model.safetensors"]
    for name in names:
        assert (tmp_path / "a" / name).read_bytes() == (tmp_path / "b" / name).read_bytes()
    assert str(tmp_path) not in (tmp_path / "a/adapter_config.json").read_text()


def test_adapters_load_as_the_card_says(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    base = write_model("llama", tmp_path / "models/base")
    trainee = trained(base, merge=False)
    expected = logits(trainee.model)
    trainee.save(tmp_path / "models/final")
    monkeypatch.chdir(tmp_path)
    params = load_params(ROOT / "params.yaml")
    card = usage(replace(params, train=with_lora(merge=False)))
    (line,) = [line for line in card.splitlines() if line.startswith("model = ")]
    assert line == 'model = AutoPeftModelForCausalLM.from_pretrained("models/final")'
    assert "Peft" not in usage(replace(params, train=with_lora(merge=True)))
    loaded = AutoPeftModelForCausalLM.from_pretrained("models/final").merge_and_unload()
    loaded.set_attn_implementation(NAME)
    assert torch.allclose(logits(loaded), expected, atol=1e-4)


@pytest.mark.parametrize(
    ("kind", "names"),
    [
        ("llama", "down_proj gate_proj k_proj o_proj q_proj up_proj v_proj"),
        ("gpt2", "c_attn c_fc c_proj"),
    ],
)
def test_every_projection_but_the_head_is_adapted(kind: str, names: str, tmp_path: Path) -> None:
    base = write_model(kind, tmp_path / "base")
    found = {name.split(".lora_")[0].rpartition(".")[2] for name in trained(base).trained}
    assert found == set(names.split())


def test_target_names_the_layers(tmp_path: Path) -> None:
    base = write_model("llama", tmp_path / "base")
    names = trained(base, target=("q_proj", "v_proj")).trained
    assert len(names) == 2 * 2 * 2
    assert all("q_proj" in name or "v_proj" in name for name in names)
    with pytest.raises(UsageError, match=r"^train\.lora\.target: .*'nothing'.* not found"):
        Trainee(base, with_lora(target=("nothing",)), CPU)


def test_variants_scale_as_published(tmp_path: Path) -> None:
    base = write_model("llama", tmp_path / "base")
    scales = {}
    for variant in VARIANTS:
        model = Trainee(base, with_lora(variant=variant), CPU).model
        layer = model.model.layers[0].self_attn.q_proj
        scales[variant] = layer.scaling["default"]
    assert scales == {"lora": 2.0, "rslora": 4.0, "dora": 2.0, "pissa": 2.0}


def test_four_bits_need_cuda(tmp_path: Path) -> None:
    base = write_model("llama", tmp_path / "base")
    with pytest.raises(UsageError, match=r"train\.lora\.quantize: nf4 needs CUDA and bitsandbytes"):
        Trainee(base, with_lora(quantize="nf4"), CPU)
    changes = (("variant: lora", "variant: pissa"), ("quantize: null", "quantize: nf4"))
    with pytest.raises(UsageError, match="cannot be combined with variant pissa"):
        load_params(faulty(tmp_path, *changes))
    assert load_params(ROOT / "params.yaml").train.lora.quantize is None
