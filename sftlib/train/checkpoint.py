"""Checkpoints from which training goes on exactly: safetensors and JSON, written whole or not."""

import json
import shutil
from dataclasses import asdict, dataclass, field
from pathlib import Path

import torch
from safetensors.torch import save_file

from sftlib.core.errors import DataError
from sftlib.train.failures import read_tensors
from sftlib.train.model import Trainee

Weights = dict[str, torch.Tensor]
# The best weights so far, and their moving average; empty where there are none.
KEPT = ("best", "average")


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

        kept: the other weights to go on with, by name; see `KEPT`.
        """
        new, current = self.folder / f"step-{position.step}.new", self._path(position.step)
        shutil.rmtree(new, ignore_errors=True)
        new.mkdir(parents=True)
        save_file(trainee.snapshot(), new / "weights.safetensors")
        save_file(optimizer_tensors(trainee, optimizer), new / "optimizer.safetensors")
        save_file(random_state(), new / "random.safetensors")
        for name, weights in kept.items():
            save_file(weights, new / f"{name}.safetensors")
        (new / "position.json").write_text(json.dumps(asdict(position)))
        new.rename(current)
        for other in self.folder.iterdir():
            if other != current:
                shutil.rmtree(other)

    def load(
        self, trainee: Trainee, optimizer: torch.optim.Optimizer
    ) -> tuple[Position, dict[str, Weights]]:
        """Go back to the newest checkpoint: its position and kept weights; a start if none."""
        steps = [int(path.name[5:]) for path in self.folder.glob("step-*") if path.suffix != ".new"]
        if not steps:
            return Position(), {name: {} for name in KEPT}
        path = self._path(max(steps))
        position = read_position(path / "position.json")
        trainee.restore(read(path, "weights"))
        restore_optimizer(trainee, optimizer, read(path, "optimizer"))
        restore_random_state(read(path, "random"))
        kept = {name: read(path, name, str(trainee.model.device)) for name in KEPT}
        return position, kept

    def delete(self) -> None:
        shutil.rmtree(self.folder, ignore_errors=True)

    def _path(self, step: int) -> Path:
        return self.folder / f"step-{step}"


def read(checkpoint: Path, name: str, device: str = "cpu") -> Weights:
    return read_tensors(checkpoint / f"{name}.safetensors", remedy(checkpoint), device)


def read_position(file: Path) -> Position:
    try:
        return Position(**json.loads(file.read_text()))
    except (ValueError, TypeError, OSError) as error:
        raise DataError(f"{file} cannot be read ({error}): {remedy(file.parent)}") from None


def remedy(checkpoint: Path) -> str:
    return f"delete {checkpoint.parent} and train from the beginning"


def optimizer_tensors(
    trainee: Trainee, optimizer: torch.optim.Optimizer
) -> dict[str, torch.Tensor]:
    """The optimizer's state as flat names: "moment|weight" -> tensor."""
    return {
        f"{moment}|{name}": tensor.detach().cpu().clone()
        for name, weight in trainee.trained.items()
        for moment, tensor in optimizer.state[weight].items()
    }


def restore_optimizer(
    trainee: Trainee, optimizer: torch.optim.Optimizer, tensors: dict[str, torch.Tensor]
) -> None:
    weights = trainee.trained
    for key, tensor in tensors.items():
        moment, name = key.split("|", 1)
        optimizer.state[weights[name]][moment] = tensor.to(weights[name].device)


def random_state() -> dict[str, torch.Tensor]:
    states = {"cpu": torch.get_rng_state()}
    if torch.cuda.is_available():
        states["cuda"] = torch.cuda.get_rng_state()
    return states


def restore_random_state(states: dict[str, torch.Tensor]) -> None:
    torch.set_rng_state(states["cpu"])
    if "cuda" in states and torch.cuda.is_available():
        torch.cuda.set_rng_state(states["cuda"])
