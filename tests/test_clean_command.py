"""`sft clean`: what it finds, what it leaves alone, and that it only shows unless told."""

import hashlib
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from conftest import clone_of, commit_all, git, run

from sftlib.cli.leftovers import find_leftovers, running_copies
from sftlib.core.state import locked

OLD = 1_700_000_000


def put(path: Path, old: bool = False) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"12345")
    for touched in (path, path.parent):
        if old:
            os.utime(touched, (OLD, OLD))
    return path


def test_what_is_left_over(tmp_path: Path) -> None:
    state = tmp_path / ".sft"
    dead = put(state / "tmp/train/models/x").parents[1]
    put(state / "tmp/clean-a/x")  # of a stage that runs
    old = put(state / "checkpoints/aa/step-1", old=True).parent
    used = put(state / "checkpoints/bb/step-1", old=True).parent
    put(state / "checkpoints/cc/step-1")
    memo, history = put(state / "memo/m1/0", old=True).parent, put(state / "running/a.json", True)
    put(state / "memo/m2/0")
    copy = put(tmp_path / ".dvc/tmp/exps/standalone/tmpx/file").parent
    with locked(state / "locks/clean-a", "a stage"), locked(used.with_suffix(".lock"), "a run"):
        found = {leftover.path: leftover.bytes for leftover in find_leftovers(tmp_path, days=7)}
        assert found == dict.fromkeys((dead, copy, old, memo, history), 5)


def test_a_running_experiment_keeps_its_copy(tmp_path: Path) -> None:
    copy = put(tmp_path / ".dvc/tmp/exps/tmpx/file").parent
    process = subprocess.Popen([sys.executable, "-c", "input()"], cwd=copy, stdin=subprocess.PIPE)
    assert (running_copies(tmp_path), find_leftovers(tmp_path, 7)) == ([copy], [])
    process.communicate(b"\n")
    assert [leftover.path for leftover in find_leftovers(tmp_path, 7)] == [copy]


def clean(project: Path, *arguments: str) -> dict:
    done = run(["python", "-m", "sftlib.cli", "clean", *arguments, "--json"], project)
    assert (done.returncode, done.stderr) == (0, "")
    return json.loads(done.stdout)


def dvc(project: Path, *arguments: str) -> None:
    done = run(["dvc", *arguments], project)
    assert done.returncode == 0, done.stderr


def add(project: Path, text: str) -> str:
    """Track a text as data/raw/b.txt by DVC; returns the name of its object."""
    (project / "data/raw/b.txt").write_text(text)
    dvc(project, "add", "-q", "data/raw/b.txt")
    return hashlib.md5(text.encode()).hexdigest()


def go_back(project: Path) -> None:
    git(project, "checkout", "-q", "--", "data/raw/b.txt.dvc")
    dvc(project, "checkout", "-q")


@pytest.fixture
def versions(project: Path) -> dict[str, str]:
    """What refers to it -> an object of the cache."""
    for key, value in (("user.name", "Test"), ("user.email", "test@localhost")):
        git(project, "config", key, value)
    (project / "dvc.yaml").write_text("stages: {}\n")  # nothing to build
    found = {"commit": add(project, "one")}
    commit_all(project)
    found["head"] = add(project, "two")
    commit_all(project)
    found["experiment"] = add(project, "three")
    dvc(project, "exp", "save", "-n", "kept")
    go_back(project)
    found["nothing"] = add(project, "four")
    go_back(project)
    return found


def kept(project: Path, versions: dict[str, str]) -> list[str]:
    cache = project / ".dvc/cache/files/md5"
    return [name for name, md5 in versions.items() if (cache / md5[:2] / md5[2:]).exists()]


@pytest.mark.slow
def test_the_cache_keeps_what_commits_and_experiments_need(
    project: Path, versions: dict[str, str]
) -> None:
    assert kept(project, versions) == ["commit", "head", "experiment", "nothing"]
    shown = clean(project)
    assert (shown["removed"], shown["cache"]) == (False, {"objects": 1, "bytes": 4})
    assert kept(project, versions) == ["commit", "head", "experiment", "nothing"]
    assert clean(project, "--yes")["cache"] == {"objects": 1, "bytes": 4}
    assert kept(project, versions) == ["commit", "head", "experiment"]
    assert clean(project)["cache"]["objects"] == 0
    clean(project, "--keep", "branches", "--yes")
    assert kept(project, versions) == ["head", "experiment"]
    clean(project, "--keep", "workspace", "--yes")
    assert kept(project, versions) == ["head"]
    assert (project / "data/raw/b.txt").read_text() == "two"


@pytest.mark.slow
def test_builds_of_commits_that_this_cache_never_had(
    project: Path, versions: dict[str, str]
) -> None:
    put(project / "data/raw/folder/x")
    dvc(project, "add", "-q", "data/raw/folder")
    commit_all(project)
    (listing,) = (project / ".dvc/cache/files/md5").glob("*/*.dir")
    listing.unlink()
    shown = clean(project)  # the file of the folder belongs to nothing that is known
    assert shown["cache"]["objects"] == 2
    assert clean(project, "--yes")["cache"] == shown["cache"]
    assert kept(project, versions) == ["commit", "head", "experiment"]


@pytest.mark.slow
def test_a_cache_that_others_use(project: Path, versions: dict[str, str], tmp_path: Path) -> None:
    other = clone_of(project, project / ".dvc/cache", tmp_path / "other")
    command = ["python", "-m", "sftlib.cli", "clean"]
    done = run(command, other)
    assert done.returncode == 2
    assert "lies outside of this repository, so others may use it: name each" in done.stderr
    done = run([*command, "--project", str(tmp_path)], other)
    assert (done.returncode, f"--project {tmp_path}: no repository" in done.stderr) == (2, True)
    # The clone knows nothing of the experiment; the project that is named does.
    assert clean(other, "--project", str(project))["cache"]["objects"] == 1
    assert clean(other, "--project", ".")["cache"]["objects"] == 2


def test_what_people_see(project: Path) -> None:
    put(project / ".sft/tmp/train/x")
    command = ["python", "-m", "sftlib.cli", "clean"]
    done = run(command, project, COLUMNS="120")
    assert "temporary files of a stage" in done.stdout
    assert "nothing was removed: `sft clean --yes` does it" in done.stdout
    assert (project / ".sft/tmp/train/x").exists()
    assert run([*command, "--yes"], project).stdout.endswith("removed\n")
    assert not (project / ".sft/tmp/train").exists()
