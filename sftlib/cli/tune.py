"""`sft tune`: search params by experiments, with Optuna; goes on where a killed search was."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import orjson
from rich.console import Console
from rich.table import Table

from sftlib.cli.experiment import check_metric
from sftlib.cli.picture import draw_study
from sftlib.cli.space import Choice, check_space, params_with
from sftlib.cli.study import Search, listed, open_study, outcome, result
from sftlib.cli.trials import run_trials, shown
from sftlib.console.printable import printable
from sftlib.core.errors import DataError, UsageError

if TYPE_CHECKING:
    from optuna.trial import FrozenTrial

# What the history of a running experiment holds.
WATCHED = "train.validation.loss"


def print_tune(search: Search, apply: bool, as_json: bool) -> None:
    """Run what is left of a search, print and draw its trials, and apply the best.

    Raises `UsageError` for a search that cannot begin, `DataError` when no trial came to a result.
    """
    check_search(search)
    if apply and search.folds is not None:
        raise UsageError("--apply: a trial over folds has no build; build the best one by -S")
    study = open_study(search)
    run_trials(search, study, Console(stderr=True, markup=False, highlight=False))
    trials = listed(study)
    picture = search.folder / "trials.svg"
    picture.parent.mkdir(parents=True, exist_ok=True)
    picture.write_text(draw_study(search, study), encoding="utf-8")
    if as_json:
        found = [as_dict(trial) for trial in trials]
        report = {"metric": search.metric, "trials": found, "picture": str(picture)}
        print(orjson.dumps(report).decode())
    else:
        console = Console(markup=False, highlight=False)
        console.print(trials_table(search, trials))
        console.print(f"{len(trials)} trials, drawn in {picture}", soft_wrap=True)
    if not trials or result(trials[0]) is None:
        raise DataError(f"no trial of {search.name} came to a result: see the table")
    if apply:
        apply_trial(search.root, trials[0])


def check_search(search: Search) -> None:
    path = search.root / "params.yaml"
    if not re.fullmatch(r"[a-z0-9][a-z0-9_-]*", search.name):
        raise UsageError(f"{search.name!r}: a name has lower-case letters, digits, _ and - only")
    check_metric(search.root, search.metric)
    check_space(path, search.space)
    if search.sampler == "grid" and not all(isinstance(c, Choice) for c in search.space.values()):
        raise UsageError("a grid needs choices: write KEY=A|B|C, or use another --sampler")
    if search.folds is not None:
        params_with(path, {"split.fold": f"1 of {search.folds}"})
    if search.prune is not None and (search.metric != WATCHED or search.maximize):
        raise UsageError(f"--prune goes by the validation loss: search by {WATCHED}, minimized")
    if search.journal is not None and not search.journal.parent.is_dir():
        raise UsageError(f"--journal: there is no folder {search.journal.parent}")


def apply_trial(root: Path, trial: FrozenTrial) -> None:
    """Bring params and outputs of a trial's experiment into the working directory."""
    name = trial.user_attrs["experiment"]
    command = [sys.executable, "-m", "dvc", "exp", "apply", name]
    done = subprocess.run(command, cwd=root, capture_output=True, text=True)
    if done.returncode != 0:
        raise DataError(
            f"{name} cannot be applied: {done.stderr.strip()}\nit was built by "
            f"{trial.user_attrs['driver']}; from another clone, `dvc exp push GIT_REMOTE {name}` "
            f"there and `dvc exp pull GIT_REMOTE {name}` here bring it"
        )


def as_dict(trial: FrozenTrial) -> dict[str, Any]:
    about = {key: trial.user_attrs.get(key) for key in ("experiment", "error")}
    return {
        "number": trial.number,
        "outcome": outcome(trial),
        "value": result(trial),
        "params": trial.params,
        **about,
    }


def trials_table(search: Search, trials: list[FrozenTrial]) -> Table:
    table = Table(search.metric, *search.space, "experiment")
    for trial in trials:
        value = result(trial)
        cells = (shown({key: trial.params.get(key)}).partition("=")[2] for key in search.space)
        about = trial.user_attrs.get("error") or trial.user_attrs.get("experiment", "")
        first = outcome(trial) if value is None else f"{value:.4f}"
        table.add_row(first, *map(printable, cells), printable(about))
    return table
