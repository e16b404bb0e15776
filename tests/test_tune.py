"""`sft tune`: searches with real experiments of the small model."""

import json
import os
import shutil
import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest
from conftest import ROOT, change_params, clone_of, commit_all, git, run
from ruamel.yaml import YAML

from sftlib.cli.drivers import driving, is_alive
from sftlib.cli.experiment import check_metric, setting
from sftlib.cli.picture import draw_study
from sftlib.cli.space import Choice, Range, check_space, parse_space
from sftlib.cli.study import Search, claim, listed, open_study, outcome, result
from sftlib.cli.trials import report
from sftlib.cli.tune import check_search
from sftlib.core.errors import UsageError
from sftlib.train.history import History, history_file, read_history, write_history

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


def new_search(root: Path, *choices: str, **changes: Any) -> Search:
    """A search by the params of this repository."""
    shutil.copy(PARAMS, root / "params.yaml")
    (root / "metrics").mkdir(exist_ok=True)
    (root / "metrics/train.json").write_text('{"validation": {"loss": 1.5}}')
    plain = Search(
        root, "lr", "train.validation.loss", parse_space(list(choices)), trials=20,
        sampler="random", maximize=False, folds=None, workers=1, seed=1, prune=None, journal=None,
    )  # fmt: skip
    return replace(plain, **changes)


def test_what_a_search_refuses(tmp_path: Path) -> None:
    for changes, message in (
        ({"name": "Big"}, "'Big': a name has lower-case letters"),
        ({"sampler": "grid"}, "a grid needs choices"),
        ({"prune": 2, "maximize": True}, "--prune goes by the validation loss"),
        ({"journal": tmp_path / "none/journal"}, "--journal: there is no folder"),
    ):
        with pytest.raises(UsageError, match=message):
            check_search(new_search(tmp_path, "train.lr=log(1e-4,1e-2)", **changes))


def test_values_depend_on_the_seed_and_the_number_alone(tmp_path: Path) -> None:
    drawn = []
    for folder, drivers in (("one", ["a", "a", "a"]), ("two", ["a", "b", "a"])):
        (tmp_path / folder).mkdir()
        search = new_search(tmp_path / folder, "train.lr=log(1e-4,1e-2)", trials=3)
        study = open_study(search)
        with driving(search.drivers) as a, driving(search.drivers) as b:
            living = {"a": a, "b": b}
            drawn.append([claim(search, study, living[name])[1] for name in drivers])
            assert claim(search, study, a) is None
    assert drawn[0] == drawn[1]
    assert len({values["train.lr"] for values in drawn[0]}) == 3


def test_a_trial_of_a_dead_driver_runs_again(tmp_path: Path) -> None:
    search = new_search(tmp_path, "train.lr=1|2|3", sampler="grid")
    study = open_study(search)
    with driving(search.drivers) as dead:
        assert is_alive(search.drivers, dead)
        cut, values = claim(search, study, dead)
    assert not is_alive(search.drivers, dead)
    with driving(search.drivers) as driver:
        claimed = [claim(search, open_study(search), driver) for _ in range(4)]
    assert claimed[3] is None
    assert [cut.number, *(trial.number for trial, _ in claimed[:3])] == [0, 1, 2, 3]
    assert claimed[2][1] == values
    assert sorted(drawn["train.lr"] for _, drawn in claimed[:3]) == [1, 2, 3]
    assert len(listed(study)) == 3


def test_another_question_is_another_search(tmp_path: Path) -> None:
    search = new_search(tmp_path, "train.lr=1|2")
    open_study(search)
    path = tmp_path / "params.yaml"
    text = path.read_text()
    path.write_text(text.replace("lr: 1e-3", "lr: 2").replace("memo_mb: 2000", "memo_mb: 0"))
    open_study(search)  # what is searched, and how it runs, may change
    path.write_text(text.replace("epochs: 1", "epochs: 2"))
    with pytest.raises(UsageError, match=r"other choices \(train\.epochs\): give another --name"):
        open_study(search)


def test_hopeless_trials_are_pruned_and_no_results(tmp_path: Path) -> None:
    from optuna.exceptions import TrialPruned
    from optuna.trial import TrialState

    search = new_search(tmp_path, "train.lr=1|2|3|4", sampler="grid", prune=2)
    study = open_study(search)
    with driving(search.drivers) as driver:
        for losses in ([3.0, 2.0], [3.2, 2.2]):
            trial, _ = claim(search, study, driver)
            for number, loss in enumerate(losses, 1):
                report(search, trial, number, loss)
            study.tell(trial, losses[-1])
        better, _ = claim(search, study, driver)
        report(search, better, 1, 3.05)  # the median is 3.1
        with pytest.raises(TrialPruned, match=r"2\.3000 at validation 2 is worse than the median"):
            report(search, better, 2, 2.3)
        study.tell(better, state=TrialState.PRUNED)
    assert [outcome(trial) for trial in listed(study)] == ["complete", "complete", "pruned"]
    assert [result(trial) for trial in listed(study)] == [2.0, 2.2, None]
    picture = ElementTree.fromstring(draw_study(search, study))
    assert len(picture.findall(".//{*}circle")) == 3
    assert picture.find("{*}title").text == "lr: train.validation.loss of 2 results in 3 trials"


def test_the_picture_escapes_what_it_shows(tmp_path: Path) -> None:
    search = new_search(tmp_path, "split.fold='<b>\\x1b'|b", sampler="grid")
    study = open_study(replace(search, space={"k": Choice(("<script>\x1b", "b"))}))
    search = replace(search, space={"k": Choice(("<script>\x1b", "b"))})
    with driving(search.drivers) as driver:
        while claimed := claim(search, study, driver):
            study.tell(claimed[0], float(claimed[0].number))
    drawn = draw_study(search, study)
    ElementTree.fromstring(drawn)
    assert "&lt;script&gt;\\x1b" in drawn
    assert "http" not in drawn.replace("http://www.w3.org/2000/svg", "")


def test_the_history_of_a_running_experiment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DVC_EXP_NAME", "lr-3")
    copy = tmp_path / ".dvc/tmp/exps/standalone/tmpx"
    assert history_file(copy) == history_file(tmp_path, "lr-3")
    assert read_history(history_file(copy)) is None
    write_history(history_file(copy), History([(4, 2.5), (8, float("inf"))], "abc"))
    known = read_history(history_file(tmp_path, "lr-3"))
    assert known == History([[4, 2.5], [8, float("inf")]], "abc")


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


def start(project: Path, *arguments: str) -> subprocess.Popen[str]:
    path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    return subprocess.Popen(
        [sys.executable, "-m", "sftlib.cli", "tune", *arguments],
        cwd=project, env={**os.environ, "PATH": path}, text=True,
        stdout=subprocess.DEVNULL, stderr=subprocess.PIPE,
    )  # fmt: skip


@slow
def test_a_killed_search_goes_on(clone: Path) -> None:
    arguments = ["train.lr=log(1e-4,1e-2)", "--trials", "2", "--sampler", "random"]
    search = start(clone, *arguments)
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
    assert done.stderr == (
        "error: search tune was begun with other choices (train.lr): give another --name\n"
    )


@slow
def test_an_interrupted_search_ends_its_experiment(clone: Path) -> None:
    arguments = ["evaluate.samples=1|2", "--sampler", "grid"]
    search = start(clone, *arguments)
    assert search.stderr is not None
    assert search.stderr.readline().startswith("tune-0: evaluate.samples=")
    search.send_signal(signal.SIGINT)  # to the search alone, as no terminal is there
    assert (search.stderr.read(), search.wait()) == ("interrupted\n", 130)
    assert not list((clone / ".dvc/tmp/exps/standalone").glob("tmp*"))
    report, log = tune(clone, *arguments)
    assert [trial["outcome"] for trial in report["trials"]] == ["complete", "complete"]
    assert log.count("\n") == 1


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


@slow
def test_a_pruned_trial_leaves_nothing_behind(clone: Path) -> None:
    change_params(clone, train={"epochs": 40})
    commit_all(clone)
    lrs = ["train.lr=1e-7|2e-2|1e-2", "--sampler", "grid", "--seed", "6"]
    report, log = tune(clone, *lrs, "--trials", "2", "--prune", "1")
    assert [trial["params"]["train.lr"] for trial in report["trials"]] == [2e-2, 1e-7]
    assert [trial["outcome"] for trial in report["trials"]] == ["complete", "pruned"]
    assert (report["trials"][1]["value"], report["trials"][1]["error"]) == (None, None)
    assert "tune-1: train.lr=1e-07  pruned: " in log
    listed = run(["dvc", "exp", "list", "--name-only"], clone).stdout.split()
    assert listed == ["tune-0"]
    assert not list((clone / ".dvc/tmp/exps/standalone").glob("tmp*"))
    assert not list((clone / ".sft/running").iterdir())
    assert all(path.suffix == ".lock" for path in (clone / ".sft/checkpoints").iterdir())
    assert Path(report["picture"]).read_text().startswith("<svg")
    report, _ = tune(clone, *lrs, "--trials", "3")  # the next runs as if nothing had been stopped
    assert [t["outcome"] for t in report["trials"]] == ["complete", "complete", "pruned"]


@slow
def test_two_clones_share_a_search(built: Path, tmp_path: Path) -> None:
    git(tmp_path, "clone", "-q", "--bare", str(built), "origin")
    clones = [clone_of(tmp_path / "origin", built / ".dvc/cache", tmp_path / name) for name in "ab"]
    search = ["evaluate.samples=1|2", "--sampler", "grid", "--name", "shared"]
    search += ["--journal", str(tmp_path / "trials.log")]
    path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    command = [sys.executable, "-m", "sftlib.cli", "tune", *search]
    running = [subprocess.Popen(command, cwd=c, env={**os.environ, "PATH": path}) for c in clones]
    assert [process.wait() for process in running] == [0, 0]
    found = []
    for clone in clones:
        names = run(["dvc", "exp", "list", "--name-only"], clone).stdout.split()
        found += names
        for name in names:
            done = run(["dvc", "exp", "push", "--no-cache", "origin", name], clone)
            assert done.returncode == 0, done.stderr
    assert sorted(found) == ["shared-0", "shared-1"]
    for clone in clones:
        done = run(["dvc", "exp", "pull", "--no-cache", "-A", "origin"], clone)
        assert done.returncode == 0, done.stderr
        report, log = tune(clone, *search, "--apply")
        assert (log, len(report["trials"])) == ("", 2)
        assert json.loads((clone / "metrics/evaluate.json").read_text())["questions"] in (1, 2)
