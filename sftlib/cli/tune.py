"""`sft tune`: search params by experiments, with Optuna; goes on where a killed search was."""

from __future__ import annotations

import re
import statistics
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import orjson
from rich.console import Console
from rich.table import Table

from sftlib.cli.experiment import TrialError, check_metric, run_experiment
from sftlib.cli.space import Choice, Value, check_space, draw, params_with
from sftlib.cli.study import Search, finished, open_study, trials_left
from sftlib.console.printable import printable
from sftlib.core.errors import DataError, UsageError
from sftlib.core.state import locked

if TYPE_CHECKING:
    from optuna import Study
    from optuna.trial import FrozenTrial, Trial


def print_tune(search: Search, apply: bool, as_json: bool) -> None:
    """Run what is left of a search, print its trials, the best first, and apply that one.

    Raises `UsageError` for a search that cannot begin, `DataError` when no trial came to a result.
    """
    check_search(search)
    if apply and search.folds is not None:
        raise UsageError("--apply: a trial over folds has no build; build the best one by -S")
    with locked(search.folder / "lock", f"search {search.name}"):
        study = open_study(search)
        run_trials(search, study, Console(stderr=True, markup=False, highlight=False))
    trials = finished(study)
    if as_json:
        report = {"metric": search.metric, "trials": [as_dict(trial) for trial in trials]}
        print(orjson.dumps(report).decode())
    else:
        Console(markup=False, highlight=False).print(trials_table(search, trials))
    if not trials or trials[0].value is None:
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


def run_trials(search: Search, study: Study, console: Console) -> None:
    """Run experiments until the search has its trials; a failed one is noted, and the next runs."""

    def objective(trial: Trial) -> float:
        try:
            return measure(search, study, trial, draw(trial, search.space))
        except TrialError as error:
            trial.set_user_attr("error", str(error))
            raise

    def report(study: Study, trial: FrozenTrial) -> None:
        """Called once the trial is in the journal."""
        error = trial.user_attrs.get("error")
        outcome = f"failed: {error}" if error else f"{search.metric} {trial.value:.4f}"
        line = f"{search.name}-{trial.number}: {shown(trial.params)}  {outcome}"
        console.print(printable(line), soft_wrap=True)

    left = trials_left(search, study)
    if left > 0:
        study.optimize(
            objective,
            n_trials=left,
            n_jobs=search.workers,
            catch=(TrialError,),
            callbacks=[report],
        )


def measure(search: Search, study: Study, trial: Trial, values: dict[str, Value]) -> float:
    """The metric with these values, over all folds in the mean; known values are not run again."""
    for other in study.get_trials(deepcopy=False):
        if other.value is not None and other.params == values:
            trial.set_user_attr("experiment", other.user_attrs["experiment"])
            return other.value
    name = f"{search.name}-{trial.number}"
    if search.folds is None:
        trial.set_user_attr("experiment", name)
        return run_experiment(search.root, name, values, search.metric)
    numbers = range(1, search.folds + 1)
    trial.set_user_attr("experiment", f"{name}-fold1")
    return statistics.fmean(
        run_experiment(
            search.root,
            f"{name}-fold{number}",
            {**values, "split.fold": f"{number} of {search.folds}"},
            search.metric,
        )
        for number in numbers
    )


def apply_trial(root: Path, trial: FrozenTrial) -> None:
    """Bring params and outputs of a trial's experiment into the working directory."""
    name = trial.user_attrs["experiment"]
    command = [sys.executable, "-m", "dvc", "exp", "apply", name]
    done = subprocess.run(command, cwd=root, capture_output=True, text=True)
    if done.returncode != 0:
        raise DataError(f"{name} cannot be applied: {done.stderr.strip()}")


def as_dict(trial: FrozenTrial) -> dict[str, Any]:
    about = {key: trial.user_attrs.get(key) for key in ("experiment", "error")}
    return {"number": trial.number, "value": trial.value, "params": trial.params, **about}


def shown(values: dict[str, Value]) -> str:
    return " ".join(
        f"{key}={value:.4g}" if isinstance(value, float) else f"{key}={value}"
        for key, value in values.items()
    )


def trials_table(search: Search, trials: list[FrozenTrial]) -> Table:
    table = Table(search.metric, *search.space, "experiment")
    for trial in trials:
        value = "failed" if trial.value is None else f"{trial.value:.4f}"
        cells = (shown({key: trial.params.get(key)}).partition("=")[2] for key in search.space)
        about = trial.user_attrs.get("error") or trial.user_attrs["experiment"]
        table.add_row(value, *cells, printable(about))
    return table
