"""What a stage promises about its outputs."""

import shutil
from pathlib import Path

import pytest
from conftest import ROOT, git, run

from sftlib.core.errors import UsageError
from sftlib.core.params import load_params
from sftlib.core.stage import Stage
from sftlib.core.state import locked, state_folder


def new_stage(root: Path) -> Stage:
    return Stage("demo", None, load_params(ROOT / "params.yaml"), root)


def test_outputs_appear_when_the_stage_has_succeeded(tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    (tmp_path / "out/old").write_text("old")
    with new_stage(tmp_path) as stage:
        temporary = stage.output("out")
        temporary.mkdir()
        (temporary / "new").write_text("new")
        assert [p.name for p in (tmp_path / "out").iterdir()] == ["old"]
        stage.publish()
        assert [p.name for p in (tmp_path / "out").iterdir()] == ["new"]
    assert not stage.scratch.exists()


def test_a_stage_runs_once_at_a_time_and_clears_what_a_killed_run_left(tmp_path: Path) -> None:
    first, second = new_stage(tmp_path), new_stage(tmp_path)
    left = first.scratch / "out/half"
    left.parent.mkdir(parents=True)
    left.write_text("of a killed run")
    with first:
        assert not left.exists()
        mine = first.output("out")
        mine.write_text("mine")
        with pytest.raises(UsageError, match="stage demo is in use by process"), second:
            pass
        assert mine.read_text() == "mine"
    with second:
        pass


def test_a_lock_is_free_after_its_holder(tmp_path: Path) -> None:
    with locked(tmp_path / "lock", "x"):
        pass
    with locked(tmp_path / "lock", "x"):
        pass


def test_state_of_temporary_copies_lies_in_the_main_repository(tmp_path: Path) -> None:
    copy = tmp_path / ".dvc/tmp/exps/abc"
    copy.mkdir(parents=True)
    assert state_folder(copy) == tmp_path / ".sft"
    assert state_folder(tmp_path) == tmp_path / ".sft"


def test_stages_refuse_another_environment(project: Path) -> None:
    pins = project / "constraints/data.txt"
    pins.write_text(pins.read_text() + "absent-package==1.0\n")
    done = run(["python", "-m", "stages.compose"], project)
    assert done.returncode == 2
    assert "absent-package 1.0 is not installed" in done.stderr
    assert "run `make setup`, then `source .venv/bin/activate`" in done.stderr


def test_make_asks_for_a_repository_with_a_commit(tmp_path: Path) -> None:
    shutil.copy(ROOT / "Makefile", tmp_path / "Makefile")
    for _ in range(2):
        done = run(["make", "build"], tmp_path)
        assert done.returncode == 2
        assert "error: this folder is no git repository with a commit: clone" in done.stderr
        git(tmp_path, "init", "-q")


def test_data_stages_start_without_torch(project: Path) -> None:
    code = "import sys, stages.clean, stages.curate, stages.split, stages.compose, stages.tokenize"
    done = run(["python", "-c", f"{code}; print('torch' in sys.modules)"], project)
    assert done.stdout == "False\n", done.stderr
