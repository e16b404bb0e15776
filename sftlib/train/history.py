"""The validations of a training run while it goes on, in .sft/running/, for whoever watches it.

A file is named after the experiment, and written whole or not at all.
"""

import json
import os
from dataclasses import asdict, dataclass
from pathlib import Path

from sftlib.core.state import state_folder

# DVC sets it for the stages of an experiment.
EXPERIMENT = "DVC_EXP_NAME"
WORKSPACE = "workspace"


@dataclass(frozen=True)
class History:
    """validation_losses: (step, loss) of each so far; checkpoints: name of the run's folder."""

    validation_losses: list[tuple[int, float]]
    checkpoints: str


def history_file(root: Path, experiment: str | None = None) -> Path:
    """The file of an experiment; by default of the one that this process is a stage of."""
    name = experiment or os.environ.get(EXPERIMENT, WORKSPACE)
    return state_folder(root) / "running" / f"{name}.json"


def write_history(file: Path, history: History) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    new = file.with_suffix(f".{os.getpid()}.new")
    new.write_text(json.dumps(asdict(history)))
    new.replace(file)


def read_history(file: Path) -> History | None:
    """What is known of a run; None before its first validation and after its end."""
    try:
        return History(**json.loads(file.read_text()))
    except FileNotFoundError:
        return None
