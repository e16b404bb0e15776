"""The commands of docs/search-and-compare.md, in their order, and what it says is refused."""

import shlex
from pathlib import Path

import pytest
from conftest import ROOT, change_params, run

pytestmark = pytest.mark.slow
DOC = (ROOT / "docs/search-and-compare.md").read_text()
COMMANDS = [line.strip() for line in DOC.splitlines() if line.startswith("    ")]


def test_every_command_runs(clone: Path) -> None:
    assert len(COMMANDS) == 13
    for command in COMMANDS:
        done = run(shlex.split(command), clone)
        assert done.returncode == 0, (command, done.stdout, done.stderr)
    assert (clone / "params.yaml").read_text().count("lr: 0.0005") == 1
    listed = run(["dvc", "exp", "list", "--name-only"], clone).stdout.split()
    assert {"slower", "lr-0", "lr-1"} < set(listed)
    assert "faster" not in listed
    assert len(listed) == 3 + 4  # and those of the queue
    assert "Failed" not in run(["dvc", "queue", "status"], clone).stdout
    assert run(["dvc", "status"], clone).stdout == "Data and pipelines are up to date.\n"


def test_misspelt_keys_and_wrong_types(clone: Path) -> None:
    def experiment(setting: str) -> str:
        done = run(["dvc", "exp", "run", "--temp", "-S", setting], clone)
        assert done.returncode != 0
        return done.stderr

    assert "Key 'lrr' is not in struct" in experiment("train.lrr=1")
    assert "train.lrr: unknown key; did you mean 'lr'?" in experiment("+train.lrr=1")
    assert "train.lr: must be a number, not 'high'" in experiment("train.lr=high")
    change_params(clone, other_={"key": 1})
    done = run(["python", "-m", "sftlib.cli", "check"], clone)
    assert (done.returncode, "other: unknown key" in done.stderr) == (2, True)
