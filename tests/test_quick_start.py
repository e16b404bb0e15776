"""docs/quick-start.md: its commands, in their order, from a clone to a source of one's own."""

import re
import sys
from pathlib import Path

import pytest
from conftest import ROOT, change_params, git, run
from ruamel.yaml import YAML

from sftlib.core.params import load_params

pytestmark = pytest.mark.slow
PAGE = (ROOT / "docs/quick-start.md").read_text()
LINES = [line[4:] for line in PAGE.splitlines() if line.startswith("    ")]
VENV = Path(sys.executable).parents[1]
# The tests' own environment stands in for the one that make would set up.
STAND_INS = {
    "make": f"make -o {VENV}/installed VENV={VENV}",
    "source .venv/bin/activate": "true",
    "less data/evaluated/samples.txt": "cat data/evaluated/samples.txt",
}


def follow(line: str, folder: Path) -> str:
    identity = {
        f"GIT_{who}_{what}": value
        for who in ("AUTHOR", "COMMITTER")
        for what, value in (("NAME", "Test"), ("EMAIL", "test@localhost"))
    }
    done = run(["bash", "-c", STAND_INS.get(line, line)], folder, **identity, COLUMNS="120")
    assert done.returncode == 0, (line, done.stdout, done.stderr)
    return done.stdout


def ran(output: str) -> list[str]:
    return re.findall("^Running stage '(.*)'", output, re.MULTILINE)


def add_source(project: Path, line: str) -> None:
    (section,) = YAML(typ="safe").load(line).items()
    sources = YAML(typ="safe").load(project / "params.yaml")["sources"]
    change_params(project, sources_={**sources, section[0]: section[1]})


def test_the_page(built: Path, tmp_path: Path) -> None:
    project = tmp_path / "sftlib"
    follow(LINES[0].replace("URL", str(built)), tmp_path)
    assert LINES[1] == "cd sftlib"
    run(["dvc", "cache", "dir", "--local", str(built / ".dvc/cache")], project)  # to save time
    said: dict[str, str] = {}
    for line in LINES[2:]:
        if line.startswith("  mine:"):
            add_source(project, line)
        elif line != "sources:":
            said[line] = follow(line, project)
    check_what_was_said(said)
    assert load_params(project / "params.yaml").train.lr == 3e-3
    assert "Someone who had ten minutes." in (project / "data/raw/mine.jsonl").read_text()
    assert (project / "reports/index.html").is_file()
    assert git(project, "status", "--porcelain") == ""
    assert run(["dvc", "status"], project).stdout == "Data and pipelines are up to date.\n"
    log = git(project, "log", "-3", "--format=%s").splitlines()
    assert log == ["A source of my own", "A higher learning rate", "First build"]


def check_what_was_said(said: dict[str, str]) -> None:
    assert len(said) == 19
    assert ran(said["make"]) == []  # it was built before
    assert "perplexity" in said["make"]
    after_train = ["train", "evaluate", "report", "release"]
    assert ran(said["dvc exp run -n faster -S train.lr=3e-3"]) == after_train
    shown = said["python -m sftlib.cli compare HEAD faster"]
    assert re.search(r"train\.lr .* 0\.001 .* 0\.003", shown)
    stages = ran(said["dvc repro"])
    assert stages[:3] == ["clean@mine", "curate", "split"]
    assert "clean@a" not in stages
    life = said["python -m sftlib.cli why data/raw/mine.jsonl:1"]
    assert "Who made you?" in life and "split" in life
    assert "1 added" in said["python -m sftlib.cli compare HEAD"]
