"""The benchmark of training: equal rows for all systems, equal losses, the form of its figures."""

import json
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import pytest
from conftest import ROOT
from test_train import PROMPTED, TRAIN

from benchmarks.finetune import main as finetune
from benchmarks.report import merged
from benchmarks.score import main as score
from benchmarks.steps import tools, write_steps
from benchmarks.training_cases import CASES, LORA, SAME, SCRIPTS, Result, figures_of_runs
from benchmarks.venvs import REQUIREMENTS
from sftlib.core.labels import NO_LOSS
from sftlib.train.batches import PackedSplit, epoch_order


def settings_of(model: Path) -> dict[str, Any]:
    train = replace(TRAIN, **SAME, **LORA)
    return {"task": "chat", "model": str(model), "rows_per_step": 2, "train": asdict(train)}


def prepared(model: Path, folder: Path) -> Path:
    settings = settings_of(model)
    (folder / "settings.json").write_text(json.dumps(settings))
    write_steps([PROMPTED[:2], PROMPTED[2:]], settings, folder, folder)
    return folder


def test_shared_and_unshared_rows_end_in_the_same_loss(tiny_model: Path, tmp_path: Path) -> None:
    folder, losses = prepared(tiny_model, tmp_path), []
    for system in ("ours", "ours_unshared"):
        (folder / system).mkdir()
        finetune(folder, folder / system, system)
        score(folder, folder / system)
        answer = json.loads((folder / system / "answer.json").read_text())
        assert sorted(answer) == ["cpu_seconds", "seconds"] and min(answer.values()) > 0
        losses.append(json.loads((folder / system / "loss.json").read_text())["loss"])
    assert losses[0] == pytest.approx(losses[1], abs=1e-5)


def test_other_systems_get_the_rows_in_the_order_of_ours(tiny_model: Path, tmp_path: Path) -> None:
    folder = prepared(tiny_model, tmp_path)
    lines = [json.loads(line) for line in (folder / "rows.jsonl").read_text().splitlines()]
    split = PackedSplit(folder / "tokenized", "train")
    numbers = [n for step in epoch_order(2, TRAIN.seed, 0) for n in split.row_numbers(step)]
    assert [line["input_ids"] for line in lines] == [split.rows[n]["input_ids"] for n in numbers]
    for line in lines:
        assert all(
            label in (NO_LOSS, token)
            for label, token in zip(line["labels"], line["input_ids"], strict=True)
        )
        assert line["labels"][22:] == line["input_ids"][22:]


def test_tool_rows_begin_with_500_tokens_that_none_learns(tiny_model: Path, tmp_path: Path) -> None:
    split = PackedSplit(prepared(tiny_model, tmp_path) / "tokenized", "train")
    steps = tools(split, tiny_model)
    assert [len(step) for step in steps] == [16, 16]
    prompts = {tuple(row["input_ids"][:500]) for step in steps for row in step}
    assert len(prompts) == 1
    for row in (row for step in steps for row in step):
        assert row["labels"][:500] == [NO_LOSS] * 500
        assert len(row["input_ids"]) == len(row["labels"])


def test_figures_are_medians_and_what_ours_gains() -> None:
    runs = {
        "ours": [
            Result(300, 150, 1000, 2.5),
            Result(100, 90, 900, 2.5),
            Result(200, 120, 950, 2.5),
        ],
        "trl_best": [Result(80, 40, 1900, 2.5)],
    }
    figures = list(figures_of_runs("chat", runs))
    assert all(set(f) == {"case", "system", "metric", "value", "unit"} for f in figures)
    assert [(f["system"], f["metric"], f["value"], f["unit"]) for f in figures] == [
        ("ours", "tokens_per_second", 200, "1/s"),
        ("ours", "tokens_per_cpu_second", 120, "1/s"),
        ("ours", "peak_mb", 950, "MB"),
        ("ours", "final_loss", 2.5, "nats"),
        ("trl_best", "tokens_per_second", 80, "1/s"),
        ("trl_best", "tokens_per_cpu_second", 40, "1/s"),
        ("trl_best", "peak_mb", 1900, "MB"),
        ("trl_best", "final_loss", 2.5, "nats"),
        ("ours", "times as fast as trl_best", 2.5, "x"),
        ("ours", "times less CPU than trl_best", 3, "x"),
        ("ours", "memory of trl_best", 0.5, "x"),
    ]


def test_figures_of_other_cases_stay_in_the_file(tmp_path: Path) -> None:
    file, old = (
        tmp_path / "figures.json",
        [{"case": "a", "value": 1.0}, {"case": "b", "value": 2.0}],
    )
    assert merged(file, [old[0]]) == [old[0]]
    file.write_text(json.dumps(old))
    assert merged(file, [{"case": "a", "value": 3.0}]) == [old[1], {"case": "a", "value": 3.0}]


def test_peers_have_scripts_and_the_versions_of_this_project() -> None:
    for script in SCRIPTS.values():
        assert (ROOT / "benchmarks/peers" / script).is_file()
    systems = {system for cases in CASES.values() for case in cases for system in case.systems}
    assert systems == {*SCRIPTS, "ours", "ours_unshared"}
    names = [line.split("==")[0] for line in REQUIREMENTS["trl"]]
    assert sorted(names) == ["accelerate", "datasets", "peft", "torch", "transformers", "trl"]
