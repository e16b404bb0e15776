"""transformers' Trainer on the rows and settings of FOLDER, a classifier: `python
transformers_trainer.py FOLDER OUT trainer`. The rows come by length and are taken in this order.
"""

import fnmatch
import json
import sys
import time
from pathlib import Path

import torch
from datasets import Dataset
from transformers import (
    AutoModelForSequenceClassification,
    AutoTokenizer,
    DataCollatorWithPadding,
    Trainer,
    TrainingArguments,
)


def load_model(path, classes, frozen):
    model = AutoModelForSequenceClassification.from_pretrained(path, num_labels=classes)
    for name, weight in model.named_parameters():
        if any(fnmatch.fnmatchcase(name, pattern) for pattern in frozen):
            weight.requires_grad = False
    return model


def config(settings, out):
    train = settings["train"]
    return TrainingArguments(
        output_dir=str(out),
        use_cpu=True,
        seed=train["seed"],
        bf16=train["precision"] == "bf16",
        num_train_epochs=1,
        per_device_train_batch_size=settings["rows_per_step"],
        train_sampling_strategy="sequential",
        learning_rate=train["lr"],
        lr_scheduler_type="cosine",
        weight_decay=train["weight_decay"],
        max_grad_norm=train["max_grad_norm"],
        save_strategy="no",
        report_to="none",
    )


def main(folder, out):
    settings = json.loads((folder / "settings.json").read_text())
    train = settings["train"]
    torch.set_num_threads(train["threads"])
    torch.manual_seed(train["seed"])
    labels = json.loads((folder / "tokenized/labels.json").read_text())
    model = load_model(settings["model"], len(labels["names"]), train["freeze"] or ())
    rows = [json.loads(line) for line in (folder / "rows.jsonl").open()]
    for row in rows:
        row["labels"] = row["labels"][0]
    trainer = Trainer(
        model,
        config(settings, out),
        data_collator=DataCollatorWithPadding(AutoTokenizer.from_pretrained(settings["model"])),
        train_dataset=Dataset.from_list(rows),
    )
    started, cpu_started = time.perf_counter(), time.process_time()
    trainer.train()
    answer = {
        "seconds": time.perf_counter() - started,
        "cpu_seconds": time.process_time() - cpu_started,
    }
    trainer.model.save_pretrained(out / "model")
    (out / "answer.json").write_text(json.dumps(answer))


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
