"""Training: packs, loss, resume."""

from dataclasses import replace
from pathlib import Path

import datasets
import pytest
import torch
from conftest import ROOT

from sftlib.core.labels import NO_LOSS
from sftlib.core.params import Lora, Train, load_params
from sftlib.train.batches import PackedSplit, epoch_order, pack_rows
from sftlib.train.device import prepare_device
from sftlib.train.loop import Run, fit, is_validation_due
from sftlib.train.loss import label_count, loss_sum
from sftlib.train.model import Trainee, load_model
from sftlib.train.schedule import lr_factor

TRAIN = replace(
    load_params(ROOT / "params.yaml").train,
    device="cpu",
    threads=1,
    precision="fp32",
    lora=Lora(4, 8.0, 0.1),
    epochs=2,
)
FULL = replace(TRAIN, lora=None, lr=1e-3)


def row(start: int, length: int) -> dict[str, list[int]]:
    ids = [3 + (start * 7 + i * 5) % 200 for i in range(length)]
    return {"input_ids": ids, "labels": [NO_LOSS, *ids[2:], NO_LOSS]}


@pytest.fixture(scope="session")
def tokenized(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("tokenized")
    rows = [{"id": str(n), "source": "a", "pack": n // 3, **row(n, 5 + n % 4)} for n in range(18)]
    split = datasets.Dataset.from_list(rows)
    datasets.DatasetDict({"train": split, "validation": split}).save_to_disk(folder)
    return folder


def new_run(model: Path, tokenized: Path, checkpoints: Path, params: Train) -> Run:
    device = prepare_device(params)
    splits = [PackedSplit(tokenized, name) for name in ("train", "validation")]
    trainee = Trainee(model, params, device)
    return Run(params, device, trainee, *splits, checkpoints, 0, lambda step, note: None)


def test_packed_loss_equals_that_of_transformers_row_by_row(tiny_model: Path) -> None:
    rows = [row(n, 4 + n) for n in range(4)]
    cpu = torch.device("cpu")
    packed_sum = loss_sum(load_model(tiny_model, torch.float32, cpu), pack_rows(rows))
    packed = float(packed_sum.detach())
    reference, total = load_model(tiny_model, torch.float32, cpu, "sdpa"), 0.0
    for r in rows:
        logits = reference(input_ids=torch.tensor([r["input_ids"]])).logits[0]
        labels = torch.tensor(r["labels"])
        total += float(torch.nn.functional.cross_entropy(logits, labels, reduction="sum").detach())
    assert packed == pytest.approx(total, abs=1e-4)


def test_positions_restart_and_bounds() -> None:
    pack = pack_rows([row(0, 3), row(1, 2)])
    assert (pack.bounds, pack.position_ids.tolist()) == ([0, 3, 5], [[0, 1, 2, 0, 1]])
    assert label_count(pack) == 1


@pytest.mark.parametrize("params", [TRAIN, FULL], ids=["lora", "full"])
def test_resume_is_exact(tiny_model: Path, tokenized: Path, tmp_path: Path, params: Train) -> None:
    straight = new_run(tiny_model, tokenized, tmp_path / "a", params)
    expected = fit(straight)

    broken = new_run(tiny_model, tokenized, tmp_path / "b", params)

    def stop(step: int, note: str) -> None:
        if step == 5:
            raise KeyboardInterrupt

    broken.show = stop
    with pytest.raises(KeyboardInterrupt):
        fit(broken)
    resumed = new_run(tiny_model, tokenized, tmp_path / "b", params)
    assert [tuple(loss) for loss in fit(resumed).train_losses] == expected.train_losses
    weights = straight.trainee.snapshot()
    assert all(torch.equal(weights[n], w) for n, w in resumed.trainee.snapshot().items())
    assert expected.validation_losses[-1][1] < expected.train_losses[0][1]


def test_early_stopping_keeps_the_best_weights(
    tiny_model: Path, tokenized: Path, tmp_path: Path
) -> None:
    params = replace(FULL, lr=0.5, epochs=9, patience=2, max_grad_norm=None)
    run = new_run(tiny_model, tokenized, tmp_path, params)
    position = fit(run)
    assert position.stale_validations == 2
    assert position.step < run.steps
    losses = [loss for _, loss in position.validation_losses]
    assert position.best_loss == min(losses)


def test_accumulation_normalises_by_all_labels_of_a_step(
    tiny_model: Path, tokenized: Path, tmp_path: Path
) -> None:
    once = fit(new_run(tiny_model, tokenized, tmp_path / "a", replace(FULL, packs_per_step=6)))
    assert len(once.train_losses) == 2
    assert once.train_losses[0][1] == pytest.approx(
        mean_first_loss(tiny_model, tokenized), abs=1e-5
    )


def mean_first_loss(model_folder: Path, tokenized: Path) -> float:
    model, split = load_model(model_folder, torch.float32, torch.device("cpu")), PackedSplit
    packs = [split(tokenized, "train").pack(n) for n in range(6)]
    with torch.no_grad():
        return sum(float(loss_sum(model, p)) for p in packs) / sum(map(label_count, packs))


def test_merged_lora_model_answers_like_the_adapted_one(
    tiny_model: Path, tokenized: Path, tmp_path: Path
) -> None:
    params = replace(TRAIN, lora=Lora(4, 8.0, 0.0))
    run = new_run(tiny_model, tokenized, tmp_path / "c", params)
    fit(run)
    pack = run.validation.pack(0)
    with torch.no_grad():
        adapted = float(loss_sum(run.trainee.model.eval(), pack))
        run.trainee.save(tmp_path / "saved")
        saved = load_model(tmp_path / "saved", torch.float32, torch.device("cpu"))
        assert float(loss_sum(saved, pack)) == pytest.approx(adapted, abs=1e-4)


def test_schedule() -> None:
    factors = [round(lr_factor(step, 10, 0.2), 2) for step in (0, 1, 2, 6, 9)]
    assert factors == [0.5, 1.0, 1.0, 0.5, 0.04]


def test_an_epoch_visits_every_pack_once_in_an_order_of_its_own() -> None:
    first, second = epoch_order(9, seed=1, epoch=0), epoch_order(9, seed=1, epoch=1)
    assert sorted(first) == sorted(second) == list(range(9))
    assert first != second


def test_validations_end_each_epoch(tiny_model: Path, tokenized: Path, tmp_path: Path) -> None:
    run = new_run(tiny_model, tokenized, tmp_path, TRAIN)
    assert [step for step in range(1, 13) if is_validation_due(run, step)] == [3, 6, 9, 12]
