"""Base against tuned model on the test split: metrics, a line per row, samples to read."""

import os

os.environ["HF_HUB_OFFLINE"] = "1"

import torch

from sftlib.core.rows import write_lines
from sftlib.core.stage import Stage, run_stage
from sftlib.score.compare import MODELS, Result, compare, row_lines, samples_text
from sftlib.score.generation import choose_questions, generate_answers, read_tokenizer
from sftlib.score.losses import row_losses
from sftlib.train.batches import PackedSplit
from sftlib.train.device import describe, prepare_device
from sftlib.train.model import load_model


def main(stage: Stage) -> None:
    train, wanted = stage.params.train, stage.params.evaluate
    device = prepare_device(train)
    test = PackedSplit(stage.root / "data/tokenized", "test")
    tokenizer = read_tokenizer(stage.root / "models/base")
    questions = choose_questions(test, wanted.samples, tokenizer)
    dtype = torch.bfloat16 if train.precision == "bf16" else torch.float32
    results = {}
    for name in MODELS:
        model = load_model(stage.root / "models" / name, dtype, device)
        losses = row_losses(model, test, train)
        answers = generate_answers(model, questions, tokenizer, wanted.max_new_tokens, train)
        results[name] = Result(losses, answers)
    ids, sources = list(test.rows["id"]), list(test.rows["source"])
    stage.metrics.update({"device": describe(device), **compare(sources, questions, results)})
    out = stage.output("data/evaluated")
    write_lines(out / "rows.jsonl", row_lines(ids, sources, results))
    text = samples_text(ids, sources, questions, results)
    (out / "samples.txt").write_text(text, encoding="utf-8")


if __name__ == "__main__":
    run_stage(main)
