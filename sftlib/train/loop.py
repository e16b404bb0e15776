"""The training loop."""

import math
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch

from sftlib.core.params import Train
from sftlib.train import ranks
from sftlib.train.average import averaged, update
from sftlib.train.batches import PackedSplit, epoch_order, pack_seed
from sftlib.train.checkpoint import Checkpoints, Position
from sftlib.train.device import autocast
from sftlib.train.dropout import quick_dropout
from sftlib.train.failures import check_loss
from sftlib.train.loss import label_count, loss_sum
from sftlib.train.model import Trainee
from sftlib.train.schedule import lr_factor, make_optimizer, set_lr


@dataclass
class Run:
    """One training run. `show(step, note)` is called after each optimizer step.

    record: called with all validation losses so far, as (step, loss), after each validation.
    loss_sum: of a model and a pack, then smoothing and noise; all that the loop knows of the task.
    """

    params: Train
    device: torch.device
    trainee: Trainee
    train: PackedSplit
    validation: PackedSplit
    checkpoints: Path
    checkpoint_seconds: float
    show: Callable[[int, str], None]
    loss_sum: Callable[..., torch.Tensor] = loss_sum
    record: Callable[[list[tuple[int, float]]], None] = lambda losses: None
    best: dict[str, torch.Tensor] = field(default_factory=dict)
    average: dict[str, torch.Tensor] = field(default_factory=dict)

    @property
    def steps_per_epoch(self) -> int:
        return math.ceil(len(self.train) / self.params.packs_per_step)

    @property
    def steps(self) -> int:
        return self.steps_per_epoch * self.params.epochs


def fit(run: Run) -> Position:
    """Train, and leave the weights of the lowest validation loss in the model.

    Goes on from the newest checkpoint; the result is the same to the bit as without a break.
    """
    optimizer = make_optimizer(run.trainee.trained, run.params)
    position, kept = Checkpoints(run.checkpoints).load(run.trainee, optimizer)
    run.best, run.average = kept["best"], kept["average"]
    saved = time.monotonic()
    while position.step < run.steps and not is_stale(run, position):
        train_step(run, position, optimizer)
        if is_validation_due(run, position.step):
            validate(run, position)
        if ranks.of_first(time.monotonic() - saved) >= run.checkpoint_seconds:
            save(run, position, optimizer)
            saved = time.monotonic()
        run.show(position.step, note(position))
    if ranks.count() > 1:  # from here the stage's own process goes on
        save(run, position, optimizer)
    run.trainee.restore(run.best)
    return position


def save(run: Run, position: Position, optimizer: torch.optim.Optimizer) -> None:
    kept = {"best": run.best, "average": run.average}
    Checkpoints(run.checkpoints).save(position, run.trainee, optimizer, kept)


def train_step(run: Run, position: Position, optimizer: torch.optim.Optimizer) -> None:
    """One optimizer step over `packs_per_step` packs, normalised by the labels of all of them."""
    numbers = packs_of_step(run, position.step)
    shares = ranks.deal(len(numbers))
    packs = [run.train.pack(numbers[place]).to(run.device) for place, _ in shares]
    own = sum(share * label_count(pack) for (_, share), pack in zip(shares, packs, strict=True))
    labels = ranks.total(own)
    lr = run.params.lr * lr_factor(position.step, run.steps, run.params.warmup)
    set_lr(optimizer, lr)
    run.trainee.model.train()
    loss = 0.0
    for (place, share), pack in zip(shares, packs, strict=True):
        torch.manual_seed(pack_seed(run.params.seed, position.step, place))
        loss += learn(run, pack, share, labels)
    loss = ranks.total(loss)
    check_loss(loss, position.step + 1, run.train, numbers)
    if run.params.max_grad_norm is not None:
        weights = list(run.trainee.trained.values())
        torch.nn.utils.clip_grad_norm_(weights, run.params.max_grad_norm)
    optimizer.step()
    optimizer.zero_grad(set_to_none=True)
    if run.params.ema is not None:
        update(run.average, run.trainee, run.params.ema)
    position.step += 1
    position.train_losses.append((position.step, loss, lr))


def learn(run: Run, pack: Any, share: float, labels: float) -> float:
    """Add the gradients of a pack's part in the loss of a step with so many labels; that part."""
    smoothing, noise = run.params.label_smoothing, run.params.neftune_alpha or 0.0
    with autocast(run.device, run.params), quick_dropout(run.device):
        loss = run.trainee.compute(run.loss_sum, pack, smoothing, noise) * share / labels
    loss.backward()
    return float(loss.detach())


def packs_of_step(run: Run, step: int) -> list[int]:
    epoch, within = divmod(step, run.steps_per_epoch)
    order = epoch_order(len(run.train), run.params.seed, epoch)
    start = within * run.params.packs_per_step
    return order[start : start + run.params.packs_per_step]


def is_validation_due(run: Run, step: int) -> bool:
    """After equal parts of each epoch, the last step of an epoch always being one."""
    times = min(run.params.validations_per_epoch, run.steps_per_epoch)
    within = (step - 1) % run.steps_per_epoch + 1
    return any(within == math.ceil(run.steps_per_epoch * n / times) for n in range(1, times + 1))


def validate(run: Run, position: Position) -> None:
    """Measure the validation loss, and keep the weights when it is the lowest so far."""
    with averaged(run.average, run.trainee):
        loss = mean_loss(run, run.validation)
        position.validation_losses.append((position.step, loss))
        if loss < position.best_loss:
            position.best_loss, position.best_step = loss, position.step
            position.stale_validations = 0
            run.best = run.trainee.snapshot()
        else:
            position.stale_validations += 1
    run.record(position.validation_losses)


@torch.no_grad()
def mean_loss(run: Run, split: PackedSplit) -> float:
    """Cross-entropy per label over a split."""
    run.trainee.model.eval()
    total = labels = 0.0
    for number, share in ranks.deal(len(split)):
        pack = split.pack(number).to(run.device)
        with autocast(run.device, run.params):
            total += share * float(run.trainee.compute(run.loss_sum, pack))
        labels += share * label_count(pack)
    return ranks.total(total) / ranks.total(labels)


def is_stale(run: Run, position: Position) -> bool:
    patience = run.params.patience
    return patience is not None and position.stale_validations >= patience


def note(position: Position) -> str:
    loss = f"loss {position.train_losses[-1][1]:.3f}"
    if position.validation_losses:
        loss += f", validation {position.validation_losses[-1][1]:.3f}"
    return loss
