"""`sft compare`: what differs between builds, from the cache of a real repository."""

import json
import subprocess
from pathlib import Path

import numpy as np
import pytest
from conftest import change_params, commit_all, git, questions, repro, run, write_rows

from sftlib.cli.compare import flatten
from sftlib.cli.fates import Fate, Fates, compare_fates
from sftlib.cli.revision import Revision
from sftlib.cli.verdict import judge
from sftlib.core.errors import DataError
from sftlib.score.intervals import paired_gain

slow = pytest.mark.slow


def sft(project: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return run(["python", "-m", "sftlib.cli", "compare", *arguments], project, COLUMNS="160")


def compare(project: Path, *revisions: str) -> dict:
    done = sft(project, *revisions, "--json")
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def fate(id: str, opening: str, split: str | None, reason: str = "", at: str = "") -> Fate:
    return Fate(id, "a", at or f"x:{id}", opening, f"text {id}", split, reason or split or "")


def test_fates_tell_added_removed_changed_and_moved_rows() -> None:
    before = [fate("1", "p", "train"), fate("2", "q", "train"), fate("3", "r", "test"),
              fate("4", "s", "train"), fate("5", "t", None, "near_duplicate")]  # fmt: skip
    after = [fate("9", "p", "train"), fate("2", "q", "validation"), fate("3", "r", None, "echo"),
             fate("8", "u", "train", at="x:4"), fate("5", "t", "train")]  # fmt: skip
    old, new = (Fates({row.id: row for row in rows}) for rows in (before, after))
    found = [(c.kind, c.reason, c.examples[0]["id"]) for c in compare_fates(old, new)]
    assert found == [
        ("added", "near_duplicate", "5"),
        ("changed", "another answer", "9"),
        ("changed", "another text", "8"),
        ("moved", "train to validation", "2"),
        ("removed", "echo", "3"),
    ]


def test_a_row_that_is_faulty_now_says_why() -> None:
    old = Fates({"1": fate("1", "p", "train", at="x:7")})
    (change,) = compare_fates(old, Fates({}, {"x:7": "missing_field"}))
    assert (change.kind, change.reason) == ("removed", "missing_field")


def test_the_verdict_follows_the_interval_and_needs_rows() -> None:
    random = np.random.default_rng(0)
    labels, noise = np.full(200, 4.0), random.normal(size=200)
    assert paired_gain(noise + 1, labels)[2] == "better"
    assert paired_gain(noise - 1, labels)[2] == "worse"
    assert paired_gain(noise - noise.mean(), labels)[2] == "not told apart"
    row = {"labels": 2, "tuned": {"loss_sum": 6.0, "correct": 1}}
    better = {"labels": 2, "tuned": {"loss_sum": 4.0, "correct": 1}}
    assert judge([row] * 9, [better] * 9)["loss"]["verdict"] == "not told apart"
    assert judge([row] * 10, [better] * 10)["loss"] == {
        "before": 3.0, "after": 2.0, "gain": 1.0, "interval": [1.0, 1.0], "verdict": "better",
    }  # fmt: skip
    assert judge([row] * 10, [better] * 10)["token_accuracy"]["verdict"] == "not told apart"


def test_flatten() -> None:
    assert flatten({"a": {"b": [1], "c": {}}, "d": None}) == {"a.b": [1], "a.c": {}, "d": None}


@slow
def test_params_data_and_metrics_of_two_commits(clone: Path) -> None:
    rows = questions(0, 80)
    rows[4]["completion"] = "it is twenty"
    write_rows(clone / "data/raw/a.jsonl", [*rows[1:], {"prompt": "no answer"}, rows[7]])
    write_rows(clone / "data/raw/b.jsonl", questions(90, 95))
    b = {"path": "data/raw/b.jsonl", "format": "prompt_completion", "licence": "CC0-1.0"}
    change_params(clone, train={"lr": 0.02}, sources={"b": b}, split={"test": 0.3})
    refused = sft(clone, "HEAD")
    assert refused.returncode == 3
    assert refused.stderr.startswith(
        "error: workspace is not built: its dvc.lock is older than clean@a: data/raw/a.jsonl"
    )
    repro(clone)
    commit_all(clone)
    report = compare(clone, "HEAD~1", "HEAD")
    assert report["params"]["train.lr"] == [0.001, 0.02]
    assert report["params"]["sources.b.path"] == [None, "data/raw/b.jsonl"]
    (against,) = report["against"]
    changes = {(c["kind"], c["source"], c["reason"]): c["rows"] for c in against["data"]}
    assert changes["added", "b", "not in the source"] == 5
    assert changes["changed", "a", "another answer"] == 1
    assert changes["removed", "a", "not in the source"] == 1
    assert changes["moved", "a", "train to test"] > 5
    counts = against["metrics"]["rows"]
    assert counts["compared"] > 0
    assert counts["only_after"] > 10
    table = sft(clone, "HEAD~1").stdout
    assert "The test splits differ: " in table
    assert "data/raw/a.jsonl:4  what is 4 times 5? it is twenty" in table


@slow
def test_experiments_and_the_failed_ones(clone: Path) -> None:
    change_params(clone, split={"test": 0.3})
    repro(clone)
    commit_all(clone)
    good = ["dvc", "exp", "run", "-q", "--temp", "-n", "good", "-S", "train.lr=0.02"]
    assert run(good, clone).returncode == 0
    report = compare(clone, "HEAD", "good")
    assert report["params"] == {"train.lr": [0.001, 0.02]}
    (against,) = report["against"]
    assert against["data"] == []
    found = against["metrics"]["loss"]
    assert found["verdict"] == "better"
    assert found["gain"] == pytest.approx(found["before"] - found["after"])
    low, high = found["interval"]
    assert 0 < low < found["gain"] < high
    assert sft(clone, "HEAD", "HEAD").stdout.count("not told apart") == 2

    bad = ["dvc", "exp", "run", "-n", "bad", "-S", "train.lr=high"]
    assert run([*bad, "--queue"], clone).returncode == 0
    assert "has not ended" in sft(clone, "HEAD", "bad").stderr
    run(["dvc", "exp", "run", "--run-all"], clone)
    failed = sft(clone, "HEAD", "bad")
    assert (failed.returncode, failed.stdout) == (2, "")
    assert failed.stderr == "error: bad: this experiment failed; see `dvc queue logs bad`\n"
    assert run(bad, clone).returncode != 0  # in the working directory, whose metrics stay
    failed = sft(clone, "HEAD")
    assert (failed.returncode, failed.stdout) == (3, "")
    assert "workspace is not built: its dvc.lock is older than" in failed.stderr


@slow
def test_a_commit_that_was_not_built_has_no_metrics(clone: Path) -> None:
    change_params(clone, train={"lr": 0.5})
    commit_all(clone)
    done = sft(clone, "HEAD~1", "HEAD")
    assert done.returncode == 3
    assert "HEAD is not built: its dvc.lock is older than train: train" in done.stderr
    assert "Run `git checkout HEAD && dvc repro`, then commit dvc.lock" in done.stderr
    assert sft(clone, "nowhere").stderr.startswith("error: nowhere: no commit, branch, tag or exp")


@slow
def test_data_that_are_not_here_are_named(built: Path, tmp_path: Path) -> None:
    git(tmp_path, "clone", "-q", str(built), "bare")
    bare = tmp_path / "bare"
    done = sft(bare, "HEAD")
    assert done.returncode == 3
    where = "neither in the cache nor on the default remote"
    assert "workspace" not in done.stderr
    assert f"error: HEAD: its data/evaluated/rows.jsonl is {where}" in done.stderr
    assert "`dvc fetch --all-commits` where a remote has it" in done.stderr
    with pytest.raises(DataError, match=f"HEAD: its data/clean/a is {where}"):
        list(Revision(bare, "HEAD").folder_lines("data/clean"))
