"""`sft check`: what stops a build, before it runs, and what it will need."""

import json
import shutil
import subprocess
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from conftest import ROOT, change_params, run, write_rows
from safetensors.torch import save_file

from sftlib.cli.estimate import (
    NAMES,
    Shapes,
    estimate,
    measured_speed,
    pack_bytes,
    read_shapes,
    size,
    weight_bytes,
)
from sftlib.core.params import Lora, load_params
from sftlib.train.cross_entropy import LOGITS_PER_PART

CONFIG = {"hidden_act": "silu", "hidden_size": 576, "intermediate_size": 1536,
          "num_hidden_layers": 30, "num_attention_heads": 9, "num_key_value_heads": 3,
          "vocab_size": 49152}  # fmt: skip


def smollm2() -> Shapes:
    """The shapes of the default build's base model."""
    layer = {"q": (576, 576), "k": (192, 576), "v": (192, 576), "o": (576, 576),
             "gate": (1536, 576), "up": (1536, 576), "down": (576, 1536),
             "norm1": (576,), "norm2": (576,)}  # fmt: skip
    weights = {f"layers.{n}.{name}": shape for n in range(30) for name, shape in layer.items()}
    return Shapes({**weights, "embed_tokens": (49152, 576), "norm": (576,)}, CONFIG)


def test_parameters_are_those_that_the_default_build_trained() -> None:
    assert smollm2().parameters == 134_515_008
    assert smollm2().adapter_parameters(16) == 4_884_480


@pytest.mark.parametrize(
    ("lora", "tokens", "measured"),
    [
        (Lora(16, 32, 0.0), 2048, 4_301 * 1024**2),  # the default build
        (None, 2250, 5_550 * 1024**2 + 4 * 134_515_008),  # two steps, and the copy of the best
    ],
)
def test_memory_is_near_the_measured_peak(
    tmp_path: Path, lora: Lora | None, tokens: int, measured: int
) -> None:
    params = load_params(ROOT / "params.yaml")
    params = replace(
        params,
        train=replace(params.train, precision="fp32", lora=lora),
        tokenize=replace(params.tokenize, tokens_per_pack=tokens),
    )
    needs = estimate(tmp_path, params, smollm2(), raw_bytes=300_000)
    assert needs.memory_bytes == pytest.approx(measured, rel=0.1)


def test_sizes_of_other_types_of_models(tmp_path: Path) -> None:
    t5 = {"d_model": 8, "d_ff": 16, "num_layers": 2, "num_decoder_layers": 3, "num_heads": 2}
    gpt2 = {"n_embd": 8, "n_layer": 2, "n_head": 4, "n_inner": None}
    sizes = [[size(config, name) for name in NAMES] for config in (t5, gpt2, {"depth": 3})]
    assert sizes == [[8, 5, 2, 16], [8, 2, 4, None], [None] * 4]
    save_file({"w": torch.zeros(2, 3)}, tmp_path / "model.safetensors")
    for config, known in ((t5, True), (gpt2, True), ({"hidden_size": 8}, False)):
        (tmp_path / "config.json").write_text(json.dumps(config))
        assert (read_shapes(tmp_path) is not None) == known


def test_memory_follows_the_params() -> None:
    params = load_params(ROOT / "params.yaml")
    train, shapes = replace(params.train, precision="bf16"), smollm2()
    params = replace(params, train=train)
    full = replace(train, lora=None)
    parameters = shapes.parameters
    assert weight_bytes(parameters, parameters, full) == 22 * parameters
    assert weight_bytes(parameters, parameters, replace(full, ema=0.9)) == 26 * parameters
    assert weight_bytes(parameters, 10, replace(train, lora=Lora(1, 1, 0), precision="fp32")) == (
        4 * parameters + 200
    )
    whole = pack_bytes(CONFIG, params, 0)
    twice = replace(params, tokenize=replace(params.tokenize, tokens_per_pack=4096))
    assert pack_bytes(CONFIG, twice, 0) == pytest.approx(2 * whole)
    layer = 2 * (3 * 1536 + 2 * 192) + 24 * 576
    assert whole == int(1.5 * 2048 * 30 * (layer + 2 * 7 * 16))
    assert pack_bytes(CONFIG, replace(params, train=full), 0) == int(1.1 * 2048 * 30 * layer)
    most = pack_bytes(CONFIG, twice, 1) - pack_bytes(CONFIG, twice, 0)
    assert most == pytest.approx(1.5 * LOGITS_PER_PART * 8)  # logits are made in parts
    less = replace(params, train=replace(train, gradient_checkpointing=True))
    assert pack_bytes(CONFIG, less, 0) < whole / 10


def test_speed_is_that_of_the_last_run(tmp_path: Path) -> None:
    assert measured_speed(tmp_path, 1) is None
    for folder in (".sft", "metrics"):
        (tmp_path / folder).mkdir()
    lines = [{"stage": "train", "seconds": s} for s in (1.0, 20.0)] + [{"stage": "a", "seconds": 9}]
    (tmp_path / ".sft/timings.jsonl").write_text("".join(json.dumps(x) + "\n" for x in lines))
    counts = {"train": {"tokens": 1000, "learned_tokens": 100}}
    (tmp_path / "metrics/tokenize.json").write_text(json.dumps(counts))
    (tmp_path / "metrics/train.json").write_text(json.dumps({"steps": 6, "packs": 4}))
    assert measured_speed(tmp_path, packs_per_step=2) == 1000 * 3 / 20


def test_a_project_before_its_first_build(project: Path, tiny_model: Path) -> None:
    done = run(["python", "-m", "sftlib.cli", "check"], project)
    assert (done.returncode, done.stderr) == (0, "")
    assert "params.yaml is valid; 1 sources" in done.stdout
    assert "No estimate: models/base is not built (`dvc repro base`)" in done.stdout
    shutil.copytree(tiny_model, project / "models/base")
    report = json.loads(run(["python", "-m", "sftlib.cli", "check", "--json"], project).stdout)
    assert report["warnings"] == []
    assert report["estimate"]["parameters"] == 37_792
    assert report["estimate"]["seconds"] is None


def test_all_faults_at_once(project: Path) -> None:
    change_params(project, train={"lr": "high", "epoch": 2})
    done = run(["python", "-m", "sftlib.cli", "check"], project)
    assert done.returncode == 2
    assert "train.lr: must be a number, not 'high'" in done.stderr
    assert "train.epoch: unknown key; did you mean 'epochs'?" in done.stderr


def test_changes_of_an_experiment(project: Path, tiny_model: Path) -> None:
    def check(*arguments: str) -> subprocess.CompletedProcess[str]:
        return run(["python", "-m", "sftlib.cli", "check", *arguments], project)

    shutil.copytree(tiny_model, project / "models/base")
    whole = json.loads(check("-S", "train.lora=null", "--json").stdout)["estimate"]
    assert whole["trained"] == whole["parameters"] == 37_792
    for setting, message in (
        ("train.lr=high", "train.lr: must be a number, not 'high'"),
        ("train.lrr=1", "train.lrr: params.yaml has no such key; did you mean 'lr'?"),
        ("train.lr=1|2", "train.lr=1|2: write KEY=VALUE"),
    ):
        done = check("-S", setting)
        assert (done.returncode, message in done.stderr) == (2, True)


def test_data_that_are_missing_or_not_tracked(project: Path) -> None:
    entry = {"format": "prompt_completion", "licence": "CC0-1.0"}
    paths = {name: {"path": f"data/raw/{name}.jsonl", **entry} for name in ("b", "c")}
    change_params(project, sources=paths)
    done = run(["python", "-m", "sftlib.cli", "check"], project)
    assert done.returncode == 3
    assert done.stderr.count("is missing: put it there, run `dvc pull`, or list it") == 2
    for name in paths:
        write_rows(project / f"data/raw/{name}.jsonl", [{"prompt": "a", "completion": "b"}])
    report = json.loads(run(["python", "-m", "sftlib.cli", "check", "--json"], project).stdout)
    assert [warning.split(" ")[0] for warning in report["warnings"]] == [
        "data/raw/b.jsonl", "data/raw/c.jsonl",
    ]  # fmt: skip
    assert "run `git add data/raw/b.jsonl`" in report["warnings"][0]
