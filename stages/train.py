"""data/tokenized, models/base -> models/tuned: fine-tuned weights."""

import json
import os
from contextlib import nullcontext
from dataclasses import asdict, replace
from functools import partial
from pathlib import Path

os.environ["HF_HUB_OFFLINE"] = "1"  # everything after fetch and base is offline

from sftlib.console.progress import progress
from sftlib.core.fingerprint import fingerprint
from sftlib.core.labels import read_labels
from sftlib.core.params import Params
from sftlib.core.stage import Stage, run_stage
from sftlib.core.state import locked, state_folder
from sftlib.core.tables import write_csv
from sftlib.train import ranks
from sftlib.train.batches import PackedSplit
from sftlib.train.checkpoint import Checkpoints, Position
from sftlib.train.device import autocast, describe, prepare_device, settled
from sftlib.train.failures import explained_memory
from sftlib.train.heads import HEADS, balanced_weights
from sftlib.train.history import History, history_file, write_history
from sftlib.train.launch import check_devices, launch
from sftlib.train.loop import Run, fit
from sftlib.train.model import Trainee

# The deps of the stage in dvc.yaml: a checkpoint belongs to what it was trained from.
INPUTS = (
    "data/tokenized",
    "models/base",
    "sftlib/core",
    "sftlib/train",
    "stages/train.py",
    "constraints/data.txt",
    "constraints/train.txt",
)


def main(stage: Stage) -> None:
    device = prepare_device(stage.params.train)
    params = replace(stage.params, train=settled(stage.params.train, device))
    tuned = stage.output("models/tuned")
    check_devices(params.run, device)
    choices = [params.task, asdict(params.train), describe(device)]
    name = fingerprint(stage.root, INPUTS, json.dumps(choices))
    folder = state_folder(stage.root) / "checkpoints" / name
    lock = folder.with_suffix(".lock")
    with locked(lock, f"training run {name}"), explained_memory():
        if params.run.processes * params.run.nodes == 1:
            run, position = train(params, stage.root, folder)
        else:
            launch(params.run, name, stage.scratch, train, params, stage.root, folder)
            # They leave a checkpoint of the last step. The model may be too large for a GPU.
            on_cpu = replace(params, train=replace(params.train, device="cpu"))
            run = new_run(on_cpu, stage.root, folder)
            position = fit(run)
        report(stage, run, position, describe(device))
        run.trainee.save(tuned)
        Checkpoints(folder).delete()
        history_file(stage.root).unlink(missing_ok=True)


def train(params: Params, root: Path, checkpoints: Path) -> tuple[Run, Position]:
    """Train in this process, which may be one of several ranks."""
    with explained_memory():
        run = new_run(params, root, checkpoints)
        rows = run.train.rows
        with autocast(run.device, params.train):
            examples = [rows[n] for n in (0, len(rows) // 2, -1)]
            run.trainee.compute(HEADS[params.task].check, examples, 0.02)
        shown = progress("train", run.steps) if ranks.is_first() else nullcontext(run.show)
        with shown as run.show:
            return run, fit(run)


def new_run(params: Params, root: Path, checkpoints: Path) -> Run:
    head, tokenized = HEADS[params.task], root / "data/tokenized"
    device, labels = prepare_device(params.train), read_labels(tokenized)
    lay = head.lay_apart if params.train.neftune_alpha else head.lay
    run = Run(
        params.train,
        device,
        Trainee(root / "models/base", params.train, device, head, labels),
        train=PackedSplit(tokenized, "train", lay),
        validation=PackedSplit(tokenized, "validation", head.lay),
        checkpoints=checkpoints,
        checkpoint_seconds=params.run.checkpoint_seconds,
        show=lambda step, note: None,
        loss_sum=head.loss_sum,
    )
    if ranks.is_first():
        run.record = partial(record, root, checkpoints)
    if params.train.class_weights is not None and labels is not None:
        run.loss_sum = partial(head.loss_sum, weights=balanced_weights(labels).to(device))
    if params.train.r_drop is not None:
        run.loss_sum = partial(run.loss_sum, r_drop=params.train.r_drop)
    return run


def record(root: Path, checkpoints: Path, losses: list[tuple[int, float]]) -> None:
    write_history(history_file(root), History(losses, checkpoints.name))


def report(stage: Stage, run: Run, position: Position, device: str) -> None:
    stage.metrics.update(
        {
            "device": device,
            "precision": run.params.precision,
            "rows": len(run.train.rows),
            "packs": len(run.train),
            "steps": position.step,
            "trained_parameters": sum(w.numel() for w in run.trainee.trained.values()),
            "train": {
                "first_loss": position.train_losses[0][1],
                "last_loss": position.train_losses[-1][1],
            },
            "validation": {"loss": position.best_loss, "step": position.best_step},
        }
    )
    write_csv(
        stage.output("plots/train_loss.csv"), [("step", "loss", "lr"), *position.train_losses]
    )
    write_csv(
        stage.output("plots/validation_loss.csv"), [("step", "loss"), *position.validation_losses]
    )


if __name__ == "__main__":
    run_stage(main)
