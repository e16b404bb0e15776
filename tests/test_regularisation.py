"""What each means against overfitting does to the maths."""

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from test_train import FULL, PROMPTED, TRAIN, new_run, row, tokenized  # noqa: F401

from sftlib.core.errors import UsageError
from sftlib.train.average import averaged, update
from sftlib.train.batches import pack_rows
from sftlib.train.loop import fit
from sftlib.train.loss import disturbed, label_logits, loss_sum
from sftlib.train.model import Trainee, load_model
from sftlib.train.schedule import layer_scales, make_optimizer, set_lr

CPU = torch.device("cpu")


def load(model: Path) -> torch.nn.Module:
    return load_model(model, torch.float32, CPU)


def test_label_smoothing(tiny_model: Path) -> None:
    model, pack = load(tiny_model), pack_rows([row(1, 9)])
    logits, labels = label_logits(model, pack)
    logs = logits.log_softmax(-1)
    plain = -logs[torch.arange(len(labels)), labels].sum()
    uniform = -logs.mean(-1).sum()
    expected = float((0.9 * plain + 0.1 * uniform).detach())
    found = float(loss_sum(model, pack, smoothing=0.1).detach())
    assert found == pytest.approx(expected, rel=1e-5)


def test_neftune_noise_is_bounded_by_each_sequence_s_length(tiny_model: Path) -> None:
    model, pack = load(tiny_model), pack_rows([row(1, 5), row(2, 17)])
    plain = model.get_input_embeddings()(pack.input_ids)
    noise = (disturbed(model, pack, 5.0) - plain)[0].abs().detach()
    for own, length in zip(pack.own, (4, 16), strict=True):
        bound = 5.0 / (length * 32) ** 0.5
        largest = float(noise[own.start : own.end].max())
        assert 0.8 * bound < largest <= bound + 1e-6
    with pytest.raises(AssertionError):
        disturbed(model, pack_rows(PROMPTED), 5.0)


def test_layers_learn_slower_the_deeper_they_lie(tiny_model: Path) -> None:
    names = ["model.embed_tokens.weight", "model.layers.0.w", "model.layers.1.w", "lm_head.weight"]
    assert list(layer_scales(names, 0.5).values()) == [0.125, 0.25, 0.5, 1.0]
    assert set(layer_scales(names, 1.0).values()) == {1.0}
    gpt2 = ["transformer.h.3.attn.c_attn.weight", "transformer.h.11.ln_1.weight"]
    assert list(layer_scales(gpt2, 0.5).values()) == [0.5**9, 0.5]
    trainee = Trainee(tiny_model, FULL, CPU)
    optimizer = make_optimizer(trainee.trained, replace(FULL, layer_lr_decay=0.5))
    set_lr(optimizer, 0.8)
    assert {group["lr"] for group in optimizer.param_groups} == {0.8, 0.4, 0.2, 0.1}
    decays = {g["weight_decay"]: {w.ndim for w in g["params"]} for g in optimizer.param_groups}
    assert decays == {FULL.weight_decay: {2}, 0.0: {1}}


def test_frozen_weights_stay(tiny_model: Path, tokenized: Path, tmp_path: Path) -> None:  # noqa: F811
    params = replace(FULL, freeze=("*embed_tokens*", "*.layers.0.*"))
    run = new_run(tiny_model, tokenized, tmp_path, params)
    before = {name: w.clone() for name, w in run.trainee.model.named_parameters()}
    fit(run)
    moved = {n for n, w in run.trainee.model.named_parameters() if not torch.equal(w, before[n])}
    assert moved
    assert not any("embed_tokens" in name or ".layers.0." in name for name in moved)
    with pytest.raises(UsageError, match="'\\*nothing' matches no weight; there are model"):
        Trainee(tiny_model, replace(FULL, freeze=("*nothing",)), CPU)
    with pytest.raises(UsageError, match="no weight is left to train"):
        Trainee(tiny_model, replace(FULL, freeze=("*",)), CPU)


def test_moving_average(tiny_model: Path) -> None:
    trainee, average = Trainee(tiny_model, FULL, CPU), {}
    update(average, trainee, 0.75)
    start = trainee.snapshot()
    with torch.no_grad():
        for weight in trainee.trained.values():
            weight += 1
    update(average, trainee, 0.75)
    name = next(iter(start))
    assert torch.allclose(average[name], start[name] + 0.25)
    with averaged(average, trainee):
        assert torch.equal(trainee.trained[name], average[name])
    assert torch.allclose(trainee.trained[name], start[name] + 1)


def test_the_average_is_kept_and_survives_a_break(
    tiny_model: Path,
    tokenized: Path,  # noqa: F811
    tmp_path: Path,
) -> None:
    params = replace(FULL, ema=0.8, epochs=1, validations_per_epoch=1)
    straight = new_run(tiny_model, tokenized, tmp_path / "a", params)
    fit(straight)
    broken = new_run(tiny_model, tokenized, tmp_path / "b", params)

    def stop(step: int, note: str) -> None:
        if step == 3:
            raise KeyboardInterrupt

    broken.show = stop
    with pytest.raises(KeyboardInterrupt):
        fit(broken)
    resumed = new_run(tiny_model, tokenized, tmp_path / "b", params)
    fit(resumed)
    weights = resumed.trainee.snapshot()
    for name, average in straight.average.items():
        assert torch.equal(weights[name], average)


def test_dropout_override(tiny_model: Path, tmp_path: Path) -> None:
    model = load_model(tiny_model, torch.float32, CPU, dropout=0.25)
    assert model.config.attention_dropout == 0.25
    from transformers import BertConfig, BloomConfig, GPT2Config, T5Config

    from sftlib.train.model import override_dropout

    config = GPT2Config()
    override_dropout(config, 0.3)
    assert (config.resid_pdrop, config.embd_pdrop, config.attn_pdrop) == (0.3, 0.3, 0.3)
    bloom = BloomConfig()
    override_dropout(bloom, 0.3)
    assert (bloom.hidden_dropout, bloom.attention_dropout) == (0.3, 0.3)
    bert, t5 = BertConfig(), T5Config()
    override_dropout(bert, 0.3)
    assert (bert.hidden_dropout_prob, bert.attention_probs_dropout_prob) == (0.3, 0.3)
    assert bert.classifier_dropout == 0.3
    override_dropout(t5, 0.3)
    assert t5.dropout_rate == 0.3


@pytest.mark.parametrize("params", [TRAIN, FULL], ids=["lora", "full"])
def test_gradient_checkpointing_changes_no_gradient(
    tiny_model: Path,
    tokenized: Path,  # noqa: F811
    tmp_path: Path,
    params,
) -> None:
    found = []
    for number, checkpointing in enumerate((False, True)):
        chosen = replace(params, gradient_checkpointing=checkpointing, epochs=1)
        run = new_run(tiny_model, tokenized, tmp_path / str(number), chosen)
        modules = run.trainee.model.modules()
        assert any(getattr(m, "gradient_checkpointing", False) for m in modules) == checkpointing
        losses = [loss for _, loss, _ in fit(run).train_losses]
        found.append((losses, run.trainee.snapshot()))
    assert found[0][0] == pytest.approx(found[1][0], abs=1e-5)
    for name, weight in found[0][1].items():
        assert torch.allclose(weight, found[1][1][name], atol=1e-4)
