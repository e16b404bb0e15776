"""A project beside this one: its code and params with one source, to run real stages in."""

import compileall
import shutil
import sys
from itertools import islice
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML

from benchmarks.usage import Usage, usage_of

ROOT = Path(__file__).resolve().parents[1]
SOURCE = "planted"
CODE = ("sftlib", "stages", "constraints")


def scratch_project(folder: Path, rows: Path, count: int | None = None) -> Path:
    """A new project whose source are the first `count` of `rows`, {"prompt", "completion"}."""
    shutil.rmtree(folder, ignore_errors=True)
    for name in CODE:
        shutil.copytree(ROOT / name, folder / name)
    compileall.compile_dir(folder, quiet=1)
    raw = folder / f"data/raw/{SOURCE}.jsonl"
    raw.parent.mkdir(parents=True)
    with rows.open("rb") as lines, raw.open("wb") as out:
        out.writelines(islice(lines, count))
    write_params(folder)
    return folder


def write_params(folder: Path) -> None:
    """Those of this repository, for the source alone."""
    yaml = YAML()
    params: Any = yaml.load(ROOT / "params.yaml")
    path = f"data/raw/{SOURCE}.jsonl"
    params["fetch"] = {}
    params["sources"] = {SOURCE: {"path": path, "format": "prompt_completion", "licence": "MIT"}}
    yaml.dump(params, folder / "params.yaml")


def run_stage(project: Path, *stage: str, options: tuple[str, ...] = ()) -> Usage:
    """`python -m stages.NAME [KEY]` in `project`."""
    command = [sys.executable, *options, "-m", f"stages.{stage[0]}", *stage[1:]]
    return usage_of(command, project, log_of(project, stage[0]))


def log_of(project: Path, stage: str) -> Path:
    return project / f"{stage}.log"
