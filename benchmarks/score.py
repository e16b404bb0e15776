"""The loss of trained weights on the rows they learned: `python -m benchmarks.score FOLDER OUT`.

The same function, in fp32, for the weights of every system. Writes OUT/loss.json, {"loss"}.
"""

import json
import sys
from dataclasses import replace
from pathlib import Path

import torch

from benchmarks.finetune import train_params
from sftlib.core.labels import read_labels
from sftlib.score.losses import row_losses
from sftlib.train.batches import PackedSplit
from sftlib.train.heads import HEADS
from sftlib.train.model import load_model


def main(folder: Path, out: Path) -> None:
    settings = json.loads((folder / "settings.json").read_text())
    train, head = train_params(settings["train"]), HEADS[settings["task"]]
    torch.set_num_threads(train.threads)
    labels = read_labels(folder / "tokenized")
    cpu = torch.device("cpu")
    model = load_model(out / "model", torch.float32, cpu, head=head, labels=labels)
    split = PackedSplit(folder / "tokenized", "train", head.lay)
    rows = row_losses(model, split, replace(train, precision="fp32"), head)
    loss = sum(row.loss_sum for row in rows) / sum(row.labels for row in rows)
    (out / "loss.json").write_text(json.dumps({"loss": loss}))


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
