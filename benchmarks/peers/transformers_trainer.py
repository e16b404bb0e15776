"""transformers' Trainer on the rows and settings of FOLDER, a classifier: `python
transformers_trainer.py FOLDER OUT trainer`. The rows come by length and are taken in this order.
"""

import fnmatch
import json
import sys
from pathlib import Path

from datasets import Dataset
from trainer_settings import arguments, read_rows, read_settings, train_timed
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


def main(folder, out):
    settings = read_settings(folder)
    labels = json.loads((folder / "tokenized/labels.json").read_text())
    frozen = settings["train"]["freeze"] or ()
    rows = [{**row, "labels": row["labels"][0]} for row in read_rows(folder)]
    trainer = Trainer(
        load_model(settings["model"], len(labels["names"]), frozen),
        TrainingArguments(**arguments(settings, out)),
        data_collator=DataCollatorWithPadding(AutoTokenizer.from_pretrained(settings["model"])),
        train_dataset=Dataset.from_list(rows),
    )
    train_timed(trainer, out)
    trainer.model.save_pretrained(out / "model")


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
