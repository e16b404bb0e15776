"""Training: packs, loss, resume."""

from dataclasses import replace
from pathlib import Path

import datasets
import pytest
import torch
from conftest import ROOT
from hypothesis import given, settings
from hypothesis import strategies as st

from sftlib.core.labels import NO_LOSS
from sftlib.core.params import Lora, Train, load_params
from sftlib.score.losses import row_losses
from sftlib.train.batches import PackedSplit, epoch_order, pack_rows
from sftlib.train.device import prepare_device
from sftlib.train.loop import Run, fit, is_validation_due
from sftlib.train.loss import label_count, loss_sum
from sftlib.train.model import Trainee, load_model
from sftlib.train.prefixes import Segment
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


def test_positions_restart_with_each_sequence() -> None:
    pack = pack_rows([row(0, 4), row(1, 3)])
    assert pack.segments == pack.own == [Segment(0, 3, ()), Segment(3, 5, ())]
    assert pack.position_ids.tolist() == [[0, 1, 2, 0, 1]]
    assert label_count(pack) == 3


def test_tokens_behind_the_last_label_are_left_out() -> None:
    rows = [{"input_ids": [5, 6, 7, 8], "labels": [NO_LOSS, 7, NO_LOSS, NO_LOSS]}, row(1, 3)]
    pack = pack_rows(rows)
    assert pack.input_ids.tolist() == [[5, 6, *row(1, 3)["input_ids"][:2]]]
    assert pack.labels.tolist() == [NO_LOSS, 7, *row(1, 3)["labels"][:2]]
    unlabelled = pack_rows([{"input_ids": [5, 6], "labels": [NO_LOSS, NO_LOSS]}])
    assert unlabelled.input_ids.tolist() == [[5, 6]]


def prompted(system: int, middle: int, number: int) -> dict[str, list[int]]:
    """A row of ten tokens that many share, ten that some share, and five of its own."""
    ids = [system] * 10 + [middle] * 10 + [100 + number + i for i in range(5)]
    return {"input_ids": ids, "labels": [NO_LOSS] * 21 + [*ids[22:], NO_LOSS]}


PROMPTED = [prompted(5, 6, 0), prompted(5, 7, 1), prompted(9, 6, 2), prompted(5, 6, 3)]


def test_shared_beginnings_lie_once() -> None:
    pack = pack_rows(PROMPTED)
    assert pack.input_ids.shape == (1, 10 + 10 + 4 + 4 + 14 + 24)
    first = Segment(0, 10, ())
    shared = (first, Segment(10, 20, (first,)))
    assert pack.own[0] == Segment(20, 24, shared)
    assert pack.own[3] == Segment(24, 28, shared)
    assert pack.own[1] == Segment(28, 42, (first,))
    assert pack.own[2] == Segment(42, 66, ())
    for row_, own in zip(PROMPTED, pack.own, strict=True):
        start = 24 - (own.end - own.start)
        assert pack.input_ids[0, own.start : own.end].tolist() == row_["input_ids"][start:24]
        assert pack.labels[own.start : own.end].tolist() == row_["labels"][start:24]
        assert pack.position_ids[0, own.start : own.end].tolist() == list(range(start, 24))


def test_shared_beginnings_change_neither_loss_nor_gradients(tiny_model: Path) -> None:
    found = []
    for share in (True, False):
        model = load_model(tiny_model, torch.float32, torch.device("cpu"))
        loss = loss_sum(model, pack_rows(PROMPTED, share))
        loss.backward()
        gradients = [weight.grad.clone() for weight in model.parameters()]
        found.append((float(loss.detach()), gradients))
    assert found[0][0] == pytest.approx(found[1][0], abs=1e-5)
    pairs = zip(found[0][1], found[1][1], strict=True)
    assert max(float((a - b).abs().max()) for a, b in pairs) < 1e-5


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(*[st.lists(st.sampled_from([1, 2]), min_size=9, max_size=9)] * 2)))
def test_every_row_comes_back_from_its_segments(
    rows: list[tuple[list[int], list[int]]],
) -> None:
    made = [{"input_ids": a + b, "labels": [NO_LOSS] * 8 + b + [NO_LOSS]} for a, b in rows]
    pack = pack_rows(made) if made else None
    for row_, own in zip(made, pack.own if pack else [], strict=True):
        runs = [(run.start, run.end) for run in (*own.context, own)]
        ids = [token for start, end in runs for token in pack.input_ids[0, start:end].tolist()]
        assert ids == row_["input_ids"][:-1]
        labels = [label for start, end in runs for label in pack.labels[start:end].tolist()]
        assert labels == row_["labels"][:-1]


def test_losses_by_row_are_those_of_each_row_alone(tiny_model: Path, tmp_path: Path) -> None:
    rows = [{"id": str(n), "source": "a", "pack": 0, **r} for n, r in enumerate(PROMPTED)]
    split = datasets.Dataset.from_list(rows)
    datasets.DatasetDict({"test": split}).save_to_disk(tmp_path)
    model = load_model(tiny_model, torch.float32, torch.device("cpu"))
    train = replace(TRAIN, precision="fp32")
    together = row_losses(model, PackedSplit(tmp_path, "test"), train)
    for row_, found in zip(PROMPTED, together, strict=True):
        alone = float(loss_sum(model, pack_rows([row_])).detach())
        assert (found.loss_sum, found.labels) == (pytest.approx(alone, abs=1e-4), 3)


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
