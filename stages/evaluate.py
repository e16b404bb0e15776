"""Base against tuned model on the test split: metrics, a line per row, samples to read."""

import os

os.environ["HF_HUB_OFFLINE"] = "1"

from sftlib.core.rows import write_lines
from sftlib.core.stage import Stage, run_stage
from sftlib.score.exam import Exam
from sftlib.score.tasks import SCORES
from sftlib.train.device import describe, prepare_device, settled
from sftlib.train.heads import HEADS


def main(stage: Stage) -> None:
    params = stage.params
    device = prepare_device(params.train)
    exam = Exam(
        params.task,
        HEADS[params.task],
        models=stage.root / "models",
        tokenized=stage.root / "data/tokenized",
        train=settled(params.train, device),
        wanted=params.evaluate,
        device=device,
    )
    outcome = SCORES[params.task](exam)
    stage.metrics.update({"device": describe(device), **outcome.metrics})
    out = stage.output("data/evaluated")
    write_lines(out / "rows.jsonl", outcome.lines)
    for name, text in outcome.texts.items():
        (out / name).write_text(text, encoding="utf-8")


if __name__ == "__main__":
    run_stage(main)
