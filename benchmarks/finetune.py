"""A training run of ours as a process: `python -m benchmarks.finetune FOLDER OUT ours`.

Trains as FOLDER/settings.json says on FOLDER/tokenized, and writes OUT/model and OUT/answer.json,
{"seconds", "cpu_seconds"}: of training itself, without loading. `ours_unshared` computes what rows
begin with for each row anew.
"""

import json
import math
import sys
import time
from pathlib import Path
from typing import Any

from sftlib.core.labels import read_labels
from sftlib.core.params import Lora, Train
from sftlib.train.batches import PackedSplit
from sftlib.train.device import prepare_device
from sftlib.train.heads import HEADS
from sftlib.train.loop import Run, fit
from sftlib.train.model import Trainee


def main(folder: Path, out: Path, system: str) -> None:
    settings = json.loads((folder / "settings.json").read_text())
    train, head = train_params(settings["train"]), HEADS[settings["task"]]
    device = prepare_device(train)
    labels = read_labels(folder / "tokenized")
    trainee = Trainee(Path(settings["model"]), train, device, head, labels)
    lay = head.lay if system == "ours" else head.lay_apart
    splits = [PackedSplit(folder / "tokenized", name, lay) for name in ("train", "validation")]
    run = Run(
        train,
        device,
        trainee,
        *splits,
        checkpoints=out / "checkpoints",
        checkpoint_seconds=math.inf,
        show=lambda step, note: None,
        loss_sum=head.loss_sum,
    )
    started, cpu_started = time.perf_counter(), time.process_time()
    fit(run)
    answer = {
        "seconds": time.perf_counter() - started,
        "cpu_seconds": time.process_time() - cpu_started,
    }
    trainee.save(out / "model")
    (out / "answer.json").write_text(json.dumps(answer))


def train_params(keys: dict[str, Any]) -> Train:
    return Train(**{**keys, "lora": keys["lora"] and Lora(**keys["lora"])})


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]), sys.argv[3])
