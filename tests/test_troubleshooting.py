"""docs/troubleshooting.md: its messages stand in the code, and what it says of DVC happens."""

import ast
import json
import re
import shlex
from collections.abc import Iterable
from importlib.util import find_spec
from pathlib import Path

import pytest
from conftest import ROOT, change_params, commit_all, git, questions, run, write_rows

from sftlib.core.params import load_params

PAGE = (ROOT / "docs/troubleshooting.md").read_text()
OURS, DVCS = (
    re.findall(r"^\| `([^`]+)` \|", section, re.MULTILINE) for section in PAGE.split("\n## ")[1:3]
)


# Where those of DVC, and of what it is made of, come from.
MODULES = (
    "dvc.exceptions",
    "dvc.lock",
    "dvc.repo",
    "dvc.repo.reproduce",
    "dvc.rwlock",
    "dvc.utils.strictyaml",
    "omegaconf.dictconfig",
    "scmrepo.git.backend.dulwich",
)


def texts(files: Iterable[Path]) -> str:
    """Every string of the code, with … for what is put into it."""
    trees = [ast.parse(file.read_text(encoding="utf-8")) for file in files]
    nodes = [node for tree in trees for node in ast.walk(tree)]
    plain = [n.value for n in nodes if isinstance(n, ast.Constant) and isinstance(n.value, str)]
    filled = [
        "".join(part.value if isinstance(part, ast.Constant) else "…" for part in node.values)
        for node in nodes
        if isinstance(node, ast.JoinedStr)
    ]
    return "\n".join([*plain, *filled])


def test_our_messages_stand_in_the_code() -> None:
    files = [file for room in ("sftlib", "stages") for file in (ROOT / room).rglob("*.py")]
    printed = texts(files) + (ROOT / "Makefile").read_text()
    assert len(OURS) > 20
    assert [message for message in OURS if message not in printed] == []


def test_messages_of_dvc_stand_in_its_code() -> None:
    specs = [find_spec(name) for name in MODULES]
    printed = texts(Path(spec.origin) for spec in specs if spec and spec.origin)
    # Put together from parts there: the names of stages, and the key.
    printed = printed.replace("failed to reproduce… …", "failed to reproduce '…': …")
    printed = printed.replace("$KEY", "…")
    assert len(DVCS) > 5
    assert [message for message in DVCS if message not in printed] == []


def test_a_folder_without_git_or_dvc_or_a_commit(tmp_path: Path) -> None:
    def said(*command: str) -> str:
        done = run(["dvc", *command], tmp_path)
        assert done.returncode != 0
        return done.stderr

    assert "you are not inside of a DVC repository" in said("repro")
    git(tmp_path, "init", "-q")
    assert run(["dvc", "init", "-q"], tmp_path).returncode == 0
    assert "Empty git repo" in said("exp", "run")


@pytest.mark.slow
def test_an_experiment_in_a_copy_lacks_untracked_files(clone: Path) -> None:
    git(clone, "rm", "-q", "--cached", "data/raw/a.jsonl")
    git(clone, "commit", "-qm", "without data")
    done = run(["dvc", "exp", "run", "--temp"], clone)
    assert done.returncode != 0
    assert "failed to reproduce 'clean@a': [Errno 2] No such file or directory" in done.stderr
    told = run(["python", "-m", "sftlib.cli", "check"], clone)
    assert "data/raw/a.jsonl is tracked by neither git nor DVC" in told.stdout + told.stderr


@pytest.mark.slow
def test_a_merge_of_two_builds(clone: Path) -> None:
    def build() -> None:
        assert run(["dvc", "repro", "split"], clone).returncode == 0
        commit_all(clone)

    git(clone, "checkout", "-qb", "other")
    write_rows(clone / "data/raw/a.jsonl", questions(0, 85))
    build()
    git(clone, "checkout", "-q", "-")
    change_params(clone, split={"validation": 0.2})
    build()
    assert run(["git", "merge", "other"], clone).returncode == 1
    assert "(possible merge conflicts)" in run(["dvc", "status"], clone).stderr
    commands = [shlex.split(line) for line in PAGE.splitlines() if line.startswith("    ")]
    assert len(commands) == 4
    for command in commands:
        if command == ["dvc", "repro"]:
            command = [*command, "split"]  # the rest was never built from these params
        done = run(command, clone)
        assert done.returncode == 0, (command, done.stderr)
    assert run(["dvc", "status", "split"], clone).stdout == "Data and pipelines are up to date.\n"
    assert load_params(clone / "params.yaml").split.validation == 0.2
    assert json.loads((clone / "metrics/split.json").read_text())["rows_in"] == 85
    assert git(clone, "status", "--porcelain") == ""
