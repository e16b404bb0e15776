"""What TRL and transformers' Trainer are given alike, and how they are timed."""

import json
import time

import torch


def read_settings(folder):
    """The settings, of which threads and seed count from here on."""
    settings = json.loads((folder / "settings.json").read_text())
    torch.set_num_threads(settings["train"]["threads"])
    torch.manual_seed(settings["train"]["seed"])
    return settings


def read_rows(folder):
    with (folder / "rows.jsonl").open() as lines:
        return [json.loads(line) for line in lines]


def arguments(settings, out):
    """One epoch on the CPU, the rows in their order and as many to a step as in ours."""
    train = settings["train"]
    return {
        "output_dir": str(out),
        "use_cpu": True,
        "seed": train["seed"],
        "bf16": train["precision"] == "bf16",
        "num_train_epochs": 1,
        "per_device_train_batch_size": settings["rows_per_step"],
        "train_sampling_strategy": "sequential",
        "learning_rate": train["lr"],
        "lr_scheduler_type": "cosine",
        "weight_decay": train["weight_decay"],
        "max_grad_norm": train["max_grad_norm"],
        "save_strategy": "no",
        "report_to": "none",
    }


def train_timed(trainer, out):
    """Train, and write OUT/answer.json: seconds on the wall and of CPU, without loading."""
    started, cpu_started = time.perf_counter(), time.process_time()
    trainer.train()
    answer = {
        "seconds": time.perf_counter() - started,
        "cpu_seconds": time.process_time() - cpu_started,
    }
    (out / "answer.json").write_text(json.dumps(answer))
