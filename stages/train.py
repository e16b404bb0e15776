"""data/tokenized, models/base -> models/tuned: fine-tuned weights."""

import json
import os
from dataclasses import asdict

os.environ["HF_HUB_OFFLINE"] = "1"  # everything after fetch and base is offline

from sftlib.console.progress import progress
from sftlib.core.fingerprint import fingerprint
from sftlib.core.stage import Stage, run_stage
from sftlib.core.state import locked, state_folder
from sftlib.core.tables import write_csv
from sftlib.train.batches import PackedSplit
from sftlib.train.checkpoint import Checkpoints, Position
from sftlib.train.device import autocast, describe, prepare_device
from sftlib.train.failures import explained_memory
from sftlib.train.loop import Run, fit
from sftlib.train.loss import check_packing
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
    params = stage.params.train
    tuned = stage.output("models/tuned")
    device = prepare_device(params)
    name = fingerprint(stage.root, INPUTS, json.dumps([asdict(params), describe(device)]))
    folder = state_folder(stage.root) / "checkpoints" / name
    lock = folder.with_suffix(".lock")
    with locked(lock, f"training run {name}"), explained_memory():
        trainee = Trainee(stage.root / "models/base", params, device)
        tokenized = stage.root / "data/tokenized"
        run = Run(
            params,
            device,
            trainee,
            train=PackedSplit(tokenized, "train"),
            validation=PackedSplit(tokenized, "validation"),
            checkpoints=folder,
            checkpoint_seconds=stage.params.run.checkpoint_seconds,
            show=lambda step, note: None,
        )
        with autocast(device, params):
            check_packing(trainee.model, [run.train.rows[n] for n in range(3)], tolerance=0.02)
        with progress("train", run.steps) as run.show:
            position = fit(run)
        report(stage, run, position, describe(device))
        trainee.save(tuned)
        Checkpoints(folder).delete()


def report(stage: Stage, run: Run, position: Position, device: str) -> None:
    stage.metrics.update(
        {
            "device": device,
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
