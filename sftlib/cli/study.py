"""The trials of a search: what was chosen and what came of it, in a journal that a kill spares."""

from __future__ import annotations

import math
import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sftlib.cli.space import Space
from sftlib.core.errors import UsageError
from sftlib.core.state import state_folder

if TYPE_CHECKING:
    from optuna import Study
    from optuna.trial import FrozenTrial

# Values drawn at random before the sampler models what it saw.
RANDOM_TRIALS = 5


@dataclass(frozen=True)
class Search:
    """What is searched, and how; `name` is that of its experiments, as NAME-NUMBER."""

    root: Path
    name: str
    metric: str
    space: Space
    trials: int
    sampler: str
    maximize: bool
    folds: int | None
    workers: int
    seed: int

    @property
    def folder(self) -> Path:
        return state_folder(self.root) / "tune" / self.name


def open_study(search: Search) -> Study:
    """The study of this name, begun or gone on with; trials that were cut off run again."""
    try:
        import optuna
    except ModuleNotFoundError:
        message = "sft tune needs Optuna: run `make setup`, or install the extra `tune`"
        raise UsageError(message) from None
    from optuna.storages import JournalStorage
    from optuna.storages.journal import JournalFileBackend
    from optuna.study import StudyDirection

    optuna.logging.set_verbosity(optuna.logging.ERROR)
    search.folder.mkdir(parents=True, exist_ok=True)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
        storage = JournalStorage(JournalFileBackend(str(search.folder / "journal.log")))
        direction = StudyDirection.MAXIMIZE if search.maximize else StudyDirection.MINIMIZE
        study = optuna.create_study(
            storage=storage, study_name=search.name, direction=direction, load_if_exists=True
        )
        study.sampler = make_sampler(search, len(study.trials))
    about = repr((search.metric, search.maximize, search.folds, search.space))
    if study.user_attrs.setdefault("about", about) != about:
        raise UsageError(f"search {search.name} was begun with other choices: give another --name")
    study.set_user_attr("about", about)
    rerun_cut_off(study)
    return study


def rerun_cut_off(study: Study) -> None:
    """Queue the values of trials that a kill or an interrupt ended, unless they ran since."""
    from optuna.trial import TrialState

    cut, known = [], []
    for trial in study.get_trials():
        if trial.state == TrialState.RUNNING:
            study.tell(trial.number, state=TrialState.FAIL)
        if trial.state == TrialState.WAITING:
            known.append(trial.system_attrs["fixed_params"])
        elif is_finished(trial):
            known.append(trial.params)
        else:
            cut.append(trial.params)
    for params in cut:
        if params not in known:
            study.enqueue_trial(params)
            known.append(params)


def make_sampler(search: Search, trials_before: int) -> Any:
    """A sampler that repeats for a seed, and not what it drew before a kill."""
    from optuna.samplers import GridSampler, RandomSampler, TPESampler

    seed = search.seed + trials_before
    if search.sampler == "grid":
        grid = {key: list(choices.edges()) for key, choices in search.space.items()}
        return GridSampler(grid, seed=seed)
    if search.sampler == "random":
        return RandomSampler(seed=seed)
    return TPESampler(seed=seed, n_startup_trials=RANDOM_TRIALS)


def trials_left(search: Search, study: Study) -> int:
    """How many are still to run; a grid has no more than its points."""
    wanted = search.trials
    if search.sampler == "grid":
        wanted = min(wanted, math.prod(len(choices.edges()) for choices in search.space.values()))
    return wanted - len(finished(study))


def is_finished(trial: FrozenTrial) -> bool:
    """Whether it has a result or an error, and was not cut off."""
    return trial.value is not None or "error" in trial.user_attrs


def finished(study: Study) -> list[FrozenTrial]:
    """Trials with a result, the best first, then the failed ones; not those that were cut off."""
    done = [trial for trial in study.get_trials() if is_finished(trial)]
    sign = -1 if study.direction.name == "MAXIMIZE" else 1
    return sorted(done, key=lambda t: (t.value is None, sign * (t.value or 0.0), t.number))
