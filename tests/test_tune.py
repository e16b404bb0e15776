"""`sft tune`: searches with real experiments of the small model."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from conftest import ROOT, run
from ruamel.yaml import YAML

from sftlib.cli.experiment import check_metric, setting
from sftlib.cli.space import Choice, Range, check_space, parse_space
from sftlib.core.errors import UsageError

slow = pytest.mark.slow
PARAMS = ROOT / "params.yaml"


def test_spaces() -> None:
    texts = ["train.lr=log(1e-5,1e-3)", "train.lora.rank=8|16|32", "train.ema=null|0.9"]
    texts += ["train.epochs=int(1,4)", "split.fold=1 of 5|2 of 5"]
    assert parse_space(texts) == {
        "train.lr": Range("log", 1e-5, 1e-3),
        "train.lora.rank": Choice((8, 16, 32)),
        "train.ema": Choice((None, 0.9)),
        "train.epochs": Range("int", 1, 4),
        "split.fold": Choice(("1 of 5", "2 of 5")),
    }
    check_space(PARAMS, parse_space(texts))


@pytest.mark.parametrize(
    "texts",
    [[], ["train.lr"], ["a=1", "a=2"], ["a=log(0,1)"], ["a=log(2,1)"], ["a=1|1"], ["a=[1]|2"]],
)
def test_what_is_no_space(texts: list[str]) -> None:
    with pytest.raises(UsageError, match=r"KEY=A\|B\|C, KEY=log\(LOW,HIGH\)"):
        parse_space(texts)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("train.lrr=1|2", r"train.lrr: params.yaml has no such key; did you mean 'lr'\?"),
        ("trian.lr=1|2", "trian.lr: params.yaml has no such key"),
        ("train.lr=1e-3|high", r"params.yaml with train.lr=high:\d+: train.lr: must be a number"),
        ("train.warmup=float(0,2)", r"train.warmup: must be between 0 and 1, not 2"),
    ],
)
def test_what_params_refuse(text: str, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        check_space(PARAMS, parse_space([text]))


def test_the_test_split_is_not_searched_by(tmp_path: Path) -> None:
    (tmp_path / "metrics").mkdir()
    (tmp_path / "metrics/train.json").write_text('{"validation": {"loss": 1.5}}')
    check_metric(tmp_path, "train.validation.loss")
    for metric, message in (
        ("evaluate.tuned.loss", "evaluate.tuned.loss is measured on the test split"),
        ("loss", "loss: there is no metrics/loss.json; write FILE.KEY of one"),
        ("train.validation.los", "has no such number; did you mean 'validation.loss'?"),
    ):
        with pytest.raises(UsageError) as error:
            check_metric(tmp_path, metric)
        assert message in str(error.value)


def test_settings_are_quoted() -> None:
    assert setting("a", "it's 1 of 5\\") == "a='it\\'s 1 of 5\\\\'"
    assert [setting("a", v) for v in (None, True, 1e-5, 3)] == [
        "a=null",
        "a=true",
        "a=1e-05",
        "a=3",
    ]


def tune(project: Path, *arguments: str) -> tuple[dict, str]:
    done = run(["python", "-m", "sftlib.cli", "tune", *arguments, "--json"], project)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout), done.stderr


def stages_run(project: Path) -> list[str]:
    lines = (project / ".sft/timings.jsonl").read_text().splitlines()
    return [json.loads(line)["stage"] for line in lines]


@slow
def test_a_grid_with_a_trial_that_fails(clone: Path) -> None:
    grid = ["train.lr=1e-3|2e-2|1e30", "--sampler", "grid", "--workers", "2"]
    report, log = tune(clone, *grid)
    best, second, failed = report["trials"]
    assert (best["params"], second["params"]) == ({"train.lr": 0.02}, {"train.lr": 0.001})
    assert best["value"] < second["value"]
    assert (failed["value"], failed["params"]) == (None, {"train.lr": 1e30})
    assert failed["error"] in log
    assert set(stages_run(clone)) <= {"train", "evaluate", "report", "release"}
    listed = run(["dvc", "exp", "list", "--name-only"], clone).stdout.split()
    assert sorted(listed) == sorted([best["experiment"], second["experiment"]])

    runs = len(stages_run(clone))
    again, log = tune(clone, *grid, "--apply")
    assert (again, log, len(stages_run(clone))) == (report, "", runs)
    assert YAML(typ="safe").load(clone / "params.yaml")["train"]["lr"] == 0.02
    metrics = json.loads((clone / "metrics/train.json").read_text())
    assert metrics["validation"]["loss"] == best["value"]


@slow
def test_a_killed_search_goes_on(clone: Path) -> None:
    arguments = ["train.lr=log(1e-4,1e-2)", "--trials", "2", "--sampler", "random"]
    path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    search = subprocess.Popen(
        [sys.executable, "-m", "sftlib.cli", "tune", *arguments],
        cwd=clone, env={**os.environ, "PATH": path}, text=True,
        stdout=subprocess.DEVNULL, stderr=subprocess.PIPE,
    )  # fmt: skip
    assert search.stderr is not None
    assert search.stderr.readline().startswith("tune-0: train.lr=")
    search.send_signal(signal.SIGKILL)  # while the second experiment runs
    search.wait()
    report, log = tune(clone, *arguments)
    assert len(report["trials"]) == 2
    assert log.count("\n") == 1  # the first was not run again
    assert all(trial["error"] is None for trial in report["trials"])
    assert [trial["number"] for trial in report["trials"] if trial["number"] == 0] == [0]
    done = run(["python", "-m", "sftlib.cli", "tune", "train.lr=1|2", "--trials", "1"], clone)
    assert done.stderr == "error: search tune was begun with other choices: give another --name\n"


@slow
def test_folds_are_averaged(clone: Path) -> None:
    report, _ = tune(clone, "train.lr=1e-2", "--trials", "1", "--folds", "2", "--name", "folded")
    (trial,) = report["trials"]
    losses = []
    for number in (1, 2):
        name = f"folded-0-fold{number}"
        shown = run(["git", "show", f"{experiment(clone, name)}:metrics/train.json"], clone)
        losses.append(json.loads(shown.stdout)["validation"]["loss"])
    assert losses[0] != losses[1]
    assert trial["value"] == pytest.approx(sum(losses) / 2)


def experiment(project: Path, name: str) -> str:
    listed = run(["git", "for-each-ref", "--format=%(refname)", "refs/exps"], project).stdout
    return next(ref for ref in listed.split() if ref.endswith(f"/{name}"))
