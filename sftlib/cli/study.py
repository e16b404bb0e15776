"""The trials of a search: what was chosen and what came of it, in a journal that a kill spares.

Several processes, also of other clones, may work on one journal: each claims one trial at a time.
"""

from __future__ import annotations

import math
import warnings
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sftlib.cli.compare import flatten
from sftlib.cli.drivers import exclusive, is_alive
from sftlib.cli.sampling import grid_points, make_sampler
from sftlib.cli.space import Space, Value, draw
from sftlib.core.errors import UsageError
from sftlib.core.params import load_params
from sftlib.core.state import state_folder

if TYPE_CHECKING:
    from optuna import Study
    from optuna.trial import FrozenTrial, Trial

# What can come of a trial, in the order of tables; a trial that was cut off runs again as another.
OUTCOMES = {"COMPLETE": "complete", "PRUNED": "pruned", "FAIL": "failed", "RUNNING": "running"}


@dataclass(frozen=True)
class Search:
    """What is searched, and how; `name` is that of its experiments, as NAME-NUMBER.

    prune: finished trials from which on one is stopped that is worse than their median.
    journal: the file that holds the trials, where several clones share it.
    """

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
    prune: int | None
    journal: Path | None

    @property
    def folder(self) -> Path:
        return state_folder(self.root) / "tune" / self.name

    @property
    def journal_file(self) -> Path:
        return self.journal or self.folder / "journal.log"

    @property
    def drivers(self) -> Path:
        return self.journal_file.with_name(f"{self.journal_file.name}.drivers")

    @property
    def lock(self) -> Path:
        """Held while trials are claimed, so that no two drivers claim the same."""
        return self.drivers / "claim.lock"


def open_study(search: Search) -> Study:
    """The study of this name, begun or gone on with; `UsageError` if it compares other builds."""
    try:
        import optuna
    except ModuleNotFoundError:
        message = "sft tune needs Optuna: run `make setup`, or install the extra `tune`"
        raise UsageError(message) from None
    from optuna.storages import JournalStorage
    from optuna.storages.journal import JournalFileBackend

    optuna.logging.set_verbosity(optuna.logging.ERROR)
    with exclusive(search.lock), warnings.catch_warnings():
        warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
        storage = JournalStorage(JournalFileBackend(str(search.journal_file)))
        study = optuna.create_study(
            storage=storage,
            study_name=search.name,
            direction="maximize" if search.maximize else "minimize",
            load_if_exists=True,
        )
        check_same(search, study)
        if search.sampler == "grid":
            enqueue_new(study, grid_points(search.space, search.seed))
    if search.prune is not None:
        study.pruner = optuna.pruners.MedianPruner(search.prune, n_min_trials=search.prune)
    return study


def check_same(search: Search, study: Study) -> None:
    """Raise `UsageError` when this search was begun with other choices than those it varies."""
    now = about(search)
    before = study.user_attrs.get("about", now)
    differing = [key for key in {**before, **now} if before.get(key) != now.get(key)]
    if differing:
        raise UsageError(
            f"search {search.name} was begun with other choices ({', '.join(differing)}): "
            "give another --name"
        )
    study.set_user_attr("about", now)


def about(search: Search) -> dict[str, str]:
    """What trials must have in common to be compared: the question, and params not searched."""
    question = {"metric": search.metric, "--maximize": search.maximize, "--folds": search.folds}
    params = flatten(asdict(load_params(search.root / "params.yaml")))
    varied = [*search.space, "run", *(["split.fold"] if search.folds else [])]
    kept = {
        key: value
        for key, value in params.items()
        if not any(key == name or key.startswith(f"{name}.") for name in varied)
    }
    return {key: repr(value) for key, value in {**question, **search.space, **kept}.items()}


def claim(search: Search, study: Study, driver: str) -> tuple[Trial, dict[str, Value]] | None:
    """The next trial and its values; None when the search has all that it wants.

    Values depend on the seed, the number of the trial and the trials before it, not on who draws.
    """
    with exclusive(search.lock):
        requeue_cut_off(search, study)
        if trials_left(search, study) <= 0:
            return None
        study.sampler = make_sampler(search.sampler, search.seed, len(study.get_trials()))
        trial = study.ask()
        trial.set_user_attr("driver", driver)
        return trial, draw(trial, search.space)


def requeue_cut_off(search: Search, study: Study) -> None:
    """Queue the values of trials whose driver died, unless they ran since."""
    from optuna.trial import TrialState

    for trial in study.get_trials(states=[TrialState.RUNNING]):
        if not is_alive(search.drivers, trial.user_attrs.get("driver")):
            study.tell(trial.number, state=TrialState.FAIL)
    failed = study.get_trials(states=[TrialState.FAIL])
    enqueue_new(study, [trial.params for trial in failed if outcome(trial) is None])


def enqueue_new(study: Study, points: list[dict[str, Any]]) -> None:
    """Queue those of these values that no trial has, or had without being cut off."""
    known = [
        trial.system_attrs.get("fixed_params") or trial.params
        for trial in study.get_trials()
        if trial.state.name == "WAITING" or outcome(trial) is not None
    ]
    for point in points:
        if point and point not in known:
            study.enqueue_trial(point)
            known.append(point)


def trials_left(search: Search, study: Study) -> int:
    """How many are still to begin; a grid has no more than its points."""
    wanted = search.trials
    if search.sampler == "grid":
        wanted = min(wanted, math.prod(len(choices.edges()) for choices in search.space.values()))
    return wanted - len(listed(study))


def outcome(trial: FrozenTrial) -> str | None:
    """What came of a trial; None for one that waits, or that was cut off."""
    if trial.state.name == "FAIL" and "error" not in trial.user_attrs:
        return None
    return OUTCOMES.get(trial.state.name)


def result(trial: FrozenTrial) -> float | None:
    """The metric that a trial reached; a pruned one has no result, only losses on its way."""
    return trial.value if outcome(trial) == "complete" else None


def listed(study: Study) -> list[FrozenTrial]:
    """Trials with a result, the best first, then pruned, failed and running ones."""
    order, sign = list(OUTCOMES.values()), -1 if study.direction.name == "MAXIMIZE" else 1

    def place(trial: FrozenTrial) -> tuple[int, float, int]:
        return order.index(outcome(trial) or ""), sign * (result(trial) or 0.0), trial.number

    return sorted((trial for trial in study.get_trials() if outcome(trial)), key=place)
