"""One experiment of a search: `dvc exp run` in a temporary copy, and the metric that it reached."""

import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from threading import Lock
from typing import Any

import orjson

from sftlib.cli.compare import flatten
from sftlib.cli.revision import Revision
from sftlib.cli.space import Value
from sftlib.core.config import suggestion
from sftlib.core.errors import DataError, SftError, UsageError
from sftlib.core.process import die_with_parent

# DVC keeps state of its own per process, which threads must not share.
READING = Lock()


class TrialError(SftError):
    """An experiment that came to no result."""

    exit_code = 3


def check_metric(root: Path, metric: str) -> None:
    """Raise `UsageError` for a metric that a search must not look at, or that no build has."""
    name, _, key = metric.partition(".")
    if name == "evaluate":
        raise UsageError(
            f"{metric} is measured on the test split: what was chosen by it says nothing about "
            "other data. Search by train.validation.loss, and evaluate the best once"
        )
    path = root / f"metrics/{name}.json"
    if not path.is_file():
        raise UsageError(f"{metric}: there is no metrics/{name}.json; write FILE.KEY of one")
    known = flatten(orjson.loads(path.read_bytes()))
    if not isinstance(known.get(key), int | float):
        raise UsageError(
            f"{metric}: metrics/{name}.json has no such number{suggestion(key, known)}"
        )


def run_experiment(root: Path, name: str, changes: Mapping[str, Value], metric: str) -> float:
    """Build with changed params under a name; raises `TrialError` if anything goes wrong."""
    options = [option for key, value in changes.items() for option in ("-S", setting(key, value))]
    command = [sys.executable, "-m", "dvc", "exp", "run", "--temp", "-n", name, *options]
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ.get('PATH', '')}"
    done = subprocess.run(
        command,
        cwd=root,
        env={**os.environ, "PATH": path},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        errors="replace",
        preexec_fn=die_with_parent,
    )
    if done.returncode != 0:
        raise TrialError(reason(done.stderr) or f"dvc exp run ended with {done.returncode}")
    with READING:
        return read_metric(root, name, changes, metric)


def setting(key: str, value: Value) -> str:
    """An override of `dvc exp run -S`.

    >>> setting("split.fold", "1 of 5"), setting("train.lora", None), setting("train.lr", 1e-5)
    ("split.fold='1 of 5'", 'train.lora=null', 'train.lr=1e-05')
    """
    if isinstance(value, bool) or value is None:
        return f"{key}={'null' if value is None else str(value).lower()}"
    if isinstance(value, str):
        escaped = value.replace("\\", "\\\\").replace("'", "\\'")
        return f"{key}='{escaped}'"
    return f"{key}={value!r}"


def reason(stderr: str) -> str:
    """The first line that names an error, ours before DVC's."""
    lines = [line.strip() for line in stderr.splitlines() if line.lower().startswith("error:")]
    return lines[0].partition(":")[2].strip() if lines else ""


def read_metric(root: Path, name: str, changes: Mapping[str, Value], metric: str) -> float:
    """The metric of an experiment, once it is sure that the experiment was built as asked."""
    try:
        revision = Revision(root, name)
        revision.check_built()
        params, file = flatten(revision.params()), metric.partition(".")
        value: Any = flatten(revision.metrics(file[0])).get(file[2])
    except (UsageError, DataError) as error:
        raise TrialError(str(error)) from None
    for key, wanted in changes.items():
        if params.get(key) != wanted:
            raise TrialError(f"{name} was built with {key} {params.get(key)}, not {wanted}")
    if not isinstance(value, int | float):
        raise TrialError(f"{name}: metrics/{file[0]}.json has no number at {file[2]}")
    return float(value)
