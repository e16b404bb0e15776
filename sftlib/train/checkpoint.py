"""Checkpoints from which training goes on exactly: safetensors and JSON, written whole or not."""

import json
import shutil
from dataclasses import asdict, dataclass, field
from pathlib import Path

import torch
from safetensors.torch import save_file

from sftlib.core.errors import DataError
from sftlib.train import ranks
from sftlib.train.failures import read_tensors
from sftlib.train.model import Trainee
from sftlib.train.sharding import gathered, scattered

Weights = dict[str, torch.Tensor]
# The best weights so far, and their moving average; empty where there are none.
KEPT = ("best", "average")
# How often AdamW has changed a weight: the one moment that is a number, whole on every rank.
COUNT = "step|"


@dataclass
class Position:
    """How far training has come; everything in it is a number or a list of them.

    train_losses: (step, loss, learning rate); validation_losses: (step, loss).
    """

    step: int = 0
    stale_validations: int = 0
    best_loss: float = float("inf")
    best_step: int = 0
    train_losses: list[tuple[int, float, float]] = field(default_factory=list)
    validation_losses: list[tuple[int, float]] = field(default_factory=list)


@dataclass
class Checkpoints:
    """The newest checkpoint of one training run in `folder`."""

    folder: Path

    def save(
        self,
        position: Position,
        trainee: Trainee,
        optimizer: torch.optim.Optimizer,
        kept: dict[str, Weights],
    ) -> None:
        """Write a checkpoint beside the last one, then put it in its place by a rename.

        kept: the other weights to go on with, by name; see `KEPT`. Of several ranks every one takes
        part, and the first of each node writes.
        """
        new, current = self.folder / f"step-{position.step}.new", self._path(position.step)
        files = {"weights": trainee.snapshot(), "optimizer": moments(trainee, optimizer), **kept}
        if ranks.is_writer():
            shutil.rmtree(new, ignore_errors=True)
            new.mkdir(parents=True)
        for name, tensors in files.items():
            write(new / f"{name}.safetensors", tensors)
        if ranks.is_writer():
            (new / "position.json").write_text(json.dumps(asdict(position)))
            if not current.exists():  # or this step was written before, and is the same
                new.rename(current)
            self._keep_only(current)

    def load(
        self, trainee: Trainee, optimizer: torch.optim.Optimizer
    ) -> tuple[Position, dict[str, Weights]]:
        """Go back to the newest checkpoint: its position and kept weights; a start if none.

        The first rank reads, and deals weights to all: however many wrote it.
        """
        path = self._newest() if ranks.is_first() else None
        position = Position(**json.loads(ranks.text_of_first(read_position(path))))
        if position.step == 0:
            return position, {name: {} for name in KEPT}
        trainee.restore(read(path, "weights", trainee))
        restore_moments(trainee, optimizer, read(path, "optimizer", trainee))
        return position, {name: read(path, name, trainee) for name in KEPT}

    def delete(self) -> None:
        shutil.rmtree(self.folder, ignore_errors=True)

    def _path(self, step: int) -> Path:
        return self.folder / f"step-{step}"

    def _newest(self) -> Path | None:
        found = [path for path in self.folder.glob("step-*") if path.suffix != ".new"]
        return max(found, key=lambda path: int(path.name[5:]), default=None)

    def _keep_only(self, current: Path) -> None:
        for other in self.folder.iterdir():
            if other != current:
                shutil.rmtree(other)


def write(file: Path, tensors: Weights) -> None:
    """Gather tensors one by one; only ranks that write keep them."""
    whole = {}
    for name, tensor in tensors.items():
        full = gathered(tensor)
        if ranks.is_writer():
            whole[name] = full
    if ranks.is_writer():
        save_file(whole, file)


def read(checkpoint: Path | None, name: str, trainee: Trainee) -> Weights:
    """The tensors of a file, each laid as the trained weight that it belongs to."""
    whole: Weights = {}
    if checkpoint is not None:
        whole = read_tensors(checkpoint / f"{name}.safetensors", remedy(checkpoint))
    names = json.loads(ranks.text_of_first(json.dumps(list(whole))))
    trained = trainee.trained
    return {key: laid(key, whole.get(key), trained[key.rpartition("|")[2]]) for key in names}


def laid(key: str, tensor: torch.Tensor | None, weight: torch.Tensor) -> torch.Tensor:
    if key.startswith(COUNT):
        value = ranks.of_first(0.0 if tensor is None else float(tensor))
        return torch.tensor(value, device=weight.device)
    return scattered(tensor, weight)


def read_position(checkpoint: Path | None) -> str:
    """JSON of the checkpoint's position; that of a start if there is none."""
    if checkpoint is None:
        return json.dumps(asdict(Position()))
    file = checkpoint / "position.json"
    try:
        text = file.read_text()
        Position(**json.loads(text))
    except (ValueError, TypeError, OSError) as error:
        raise DataError(f"{file} cannot be read ({error}): {remedy(checkpoint)}") from None
    return text


def remedy(checkpoint: Path) -> str:
    return f"delete {checkpoint.parent} and train from the beginning"


def moments(trainee: Trainee, optimizer: torch.optim.Optimizer) -> Weights:
    """The optimizer's state as flat names: "moment|weight" -> tensor."""
    return {
        f"{moment}|{name}": tensor
        for name, weight in trainee.trained.items()
        for moment, tensor in optimizer.state[weight].items()
    }


def restore_moments(trainee: Trainee, optimizer: torch.optim.Optimizer, tensors: Weights) -> None:
    weights = trainee.trained
    for key, tensor in tensors.items():
        moment, name = key.split("|", 1)
        optimizer.state[weights[name]][moment] = tensor
