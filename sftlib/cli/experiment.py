"""One experiment of a search: `dvc exp run` in a temporary copy, and the metric that it reached."""

import csv
import io
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
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
from sftlib.train.history import history_file, read_history

# DVC keeps state of its own per process, which threads must not share.
READING = Lock()
# Between two looks at the validations of a running experiment.
WATCH_SECONDS = 0.5
# After an interrupt, until an experiment that does not end is killed.
GRACE_SECONDS = 60


class TrialError(SftError):
    """An experiment that came to no result."""

    exit_code = 3


@dataclass(frozen=True)
class Result:
    """The metric that a search goes by, and all validation losses on the way to it."""

    value: float
    validation_losses: list[float]


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


def run_experiment(
    root: Path,
    name: str,
    changes: Mapping[str, Value],
    metric: str,
    watch: Callable[[list[float]], None],
) -> Result:
    """Build with changed params under a name; raises `TrialError` if anything goes wrong.

    watch: called with the validation losses so far, again and again; what it raises ends the
        experiment first.
    """
    options = [option for key, value in changes.items() for option in ("-S", setting(key, value))]
    command = [sys.executable, "-m", "dvc", "exp", "run", "--temp", "-n", name, *options]
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ.get('PATH', '')}"
    history = history_file(root, name)
    history.unlink(missing_ok=True)
    process = subprocess.Popen(
        command,
        cwd=root,
        env={**os.environ, "PATH": path},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        errors="replace",
        process_group=0,
        preexec_fn=die_with_parent,
    )
    try:
        stderr = wait(process, history, watch)
    except BaseException:
        stop(process)
        raise
    if process.returncode != 0:
        raise TrialError(reason(stderr) or f"dvc exp run ended with {process.returncode}")
    with READING:
        return read_result(root, name, changes, metric)


def wait(
    process: subprocess.Popen[str], history: Path, watch: Callable[[list[float]], None]
) -> str:
    """What a process wrote to stderr, once it has ended."""
    while True:
        known = read_history(history)
        watch([loss for _, loss in known.validation_losses] if known else [])
        try:
            return process.communicate(timeout=WATCH_SECONDS)[1]
        except subprocess.TimeoutExpired:
            continue


def stop(process: subprocess.Popen[str]) -> None:
    """End an experiment as Ctrl-C does: the stage stops, then DVC removes its copy and locks."""
    os.killpg(process.pid, signal.SIGINT)
    try:
        process.communicate(timeout=GRACE_SECONDS)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        process.communicate()


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


def read_result(root: Path, name: str, changes: Mapping[str, Value], metric: str) -> Result:
    """What an experiment reached, once it is sure that it was built as asked."""
    try:
        revision = Revision(root, name)
        revision.check_built()
        params, file = flatten(revision.params()), metric.partition(".")
        value: Any = flatten(revision.metrics(file[0])).get(file[2])
        losses = read_losses(revision)
    except (UsageError, DataError) as error:
        raise TrialError(str(error)) from None
    for key, wanted in changes.items():
        if params.get(key) != wanted:
            raise TrialError(f"{name} was built with {key} {params.get(key)}, not {wanted}")
    if not isinstance(value, int | float):
        raise TrialError(f"{name}: metrics/{file[0]}.json has no number at {file[2]}")
    return Result(float(value), losses)


def read_losses(revision: Revision) -> list[float]:
    text = revision.read("plots/validation_loss.csv").decode()
    return [float(row["loss"]) for row in csv.DictReader(io.StringIO(text))]
