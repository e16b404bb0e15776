"""data/tokenized, models/base -> models/tuned: fine-tuned weights."""

import json
import os
from dataclasses import asdict
from functools import partial

os.environ["HF_HUB_OFFLINE"] = "1"  # everything after fetch and base is offline

from sftlib.console.progress import progress
from sftlib.core.fingerprint import fingerprint
from sftlib.core.labels import read_labels
from sftlib.core.stage import Stage, run_stage
from sftlib.core.state import locked, state_folder
from sftlib.core.tables import write_csv
from sftlib.train.batches import PackedSplit
from sftlib.train.checkpoint import Checkpoints, Position
from sftlib.train.device import autocast, describe, prepare_device
from sftlib.train.failures import explained_memory
from sftlib.train.heads import HEADS, balanced_weights
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
    params, head = stage.params.train, HEADS[stage.params.task]
    tuned, tokenized = stage.output("models/tuned"), stage.root / "data/tokenized"
    labels = read_labels(tokenized)
    device = prepare_device(params)
    choices = [stage.params.task, asdict(params), describe(device)]
    name = fingerprint(stage.root, INPUTS, json.dumps(choices))
    folder = state_folder(stage.root) / "checkpoints" / name
    lock = folder.with_suffix(".lock")
    with locked(lock, f"training run {name}"), explained_memory():
        trainee = Trainee(stage.root / "models/base", params, device, head, labels)
        run = Run(
            params,
            device,
            trainee,
            train=PackedSplit(
                tokenized, "train", head.lay_apart if params.neftune_alpha else head.lay
            ),
            validation=PackedSplit(tokenized, "validation", head.lay),
            checkpoints=folder,
            checkpoint_seconds=stage.params.run.checkpoint_seconds,
            show=lambda step, note: None,
            loss_sum=head.loss_sum,
        )
        if params.class_weights is not None and labels is not None:
            weights = balanced_weights(labels).to(device)
            run.loss_sum = partial(head.loss_sum, weights=weights)
        if params.r_drop is not None:
            run.loss_sum = partial(run.loss_sum, r_drop=params.r_drop)
        with autocast(device, params):
            rows = run.train.rows
            head.check(trainee.model, [rows[n] for n in (0, len(rows) // 2, -1)], 0.02)
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
