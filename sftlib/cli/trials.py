"""Run the trials of a search: claim one, build its experiments, note what came of it."""

from __future__ import annotations

import shutil
import statistics
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor, as_completed
from pathlib import Path
from threading import Event
from typing import TYPE_CHECKING

from rich.console import Console

from sftlib.cli.drivers import driving
from sftlib.cli.experiment import TrialError, run_experiment
from sftlib.cli.space import Value
from sftlib.cli.study import Search, claim, result
from sftlib.console.printable import printable
from sftlib.core.errors import UsageError
from sftlib.core.state import locked, state_folder
from sftlib.train.history import history_file, read_history

if TYPE_CHECKING:
    from optuna import Study
    from optuna.trial import Trial


def run_trials(search: Search, study: Study, console: Console) -> None:
    """Run experiments until none is left to begin; a failed one is noted, and the next runs."""
    halt = Event()

    def work(driver: str) -> None:
        while not halt.is_set() and (claimed := claim(search, study, driver)):
            line = run_trial(search, study, *claimed, halt)
            console.print(printable(line), soft_wrap=True)

    with driving(search.drivers) as driver, ThreadPoolExecutor(search.workers) as pool:
        workers = [pool.submit(work, driver) for _ in range(search.workers)]
        try:
            for worker in as_completed(workers):
                worker.result()
        except BaseException:
            halt.set()  # the others end their experiments, which run again as other trials
            raise


def run_trial(
    search: Search, study: Study, trial: Trial, values: dict[str, Value], halt: Event
) -> str:
    """Build a trial and tell the study what came of it; returns a line for people."""
    from optuna.exceptions import TrialPruned
    from optuna.trial import TrialState

    name = f"{search.name}-{trial.number}"
    trial.set_user_attr("experiment", name if search.folds is None else f"{name}-fold1")
    try:
        value = measure(search, study, trial, values, halt)
    except TrialError as error:
        trial.set_user_attr("error", str(error))
        study.tell(trial, state=TrialState.FAIL)
        end = f"failed: {error}"
    except TrialPruned as reason:
        study.tell(trial, state=TrialState.PRUNED)
        forget_run(search.root, name)
        end = f"pruned: {reason}"
    else:
        study.tell(trial, value)
        end = f"{search.metric} {value:.4f}"
    return f"{name}: {shown(values)}  {end}"


def measure(
    search: Search, study: Study, trial: Trial, values: dict[str, Value], halt: Event
) -> float:
    """The metric with these values, over all folds in the mean; known values are not run again."""
    for other in study.get_trials(deepcopy=False):
        known = result(other)
        if known is not None and other.params == values:
            trial.set_user_attr("experiment", other.user_attrs["experiment"])
            return known
    name = f"{search.name}-{trial.number}"
    if search.folds is None:
        return measure_one(search, trial, name, values, halt)
    found: list[float] = []
    for number in range(1, search.folds + 1):
        fold = {**values, "split.fold": f"{number} of {search.folds}"}
        watch = halting(halt)
        found.append(
            run_experiment(search.root, f"{name}-fold{number}", fold, search.metric, watch).value
        )
        if number < search.folds:
            report(search, trial, number, statistics.fmean(found))
    return statistics.fmean(found)


def measure_one(
    search: Search, trial: Trial, name: str, values: dict[str, Value], halt: Event
) -> float:
    """The metric of one experiment, stopped where its validation loss is hopeless."""
    reported = 0

    def watch(losses: list[float]) -> None:
        nonlocal reported
        halting(halt)(losses)
        for loss in losses[reported:]:
            reported += 1
            report(search, trial, reported, loss)

    found = run_experiment(search.root, name, values, search.metric, watch)
    for number, loss in enumerate(found.validation_losses[reported:], reported + 1):
        trial.report(loss, number)  # what came between the last look and the end
    return found.value


def halting(halt: Event) -> Callable[[list[float]], None]:
    """A watch that ends an experiment when the search is interrupted."""

    def watch(losses: list[float]) -> None:
        if halt.is_set():
            raise KeyboardInterrupt

    return watch


def report(search: Search, trial: Trial, number: int, value: float) -> None:
    """Note the nth value on the way; raises `TrialPruned` when it is hopeless, if asked to prune.

    Trials compare by the number of the validation: steps differ with the size of packs.
    """
    from optuna.exceptions import TrialPruned

    trial.report(value, number)
    if search.prune is not None and trial.should_prune():
        what = "validation" if search.folds is None else "fold"
        raise TrialPruned(f"{value:.4f} at {what} {number} is worse than the median")


def forget_run(root: Path, name: str) -> None:
    """Remove the checkpoint of an experiment that nobody goes on with."""
    file = history_file(root, name)
    history = read_history(file)
    if history is None:
        return
    folder = state_folder(root) / "checkpoints" / history.checkpoints
    try:
        with locked(folder.with_suffix(".lock"), "training run"):
            shutil.rmtree(folder, ignore_errors=True)
    except UsageError:  # another experiment trains the same
        return
    file.unlink(missing_ok=True)


def shown(values: dict[str, Value]) -> str:
    return " ".join(
        f"{key}={value:.4g}" if isinstance(value, float) else f"{key}={value}"
        for key, value in values.items()
    )
