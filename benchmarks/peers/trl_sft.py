"""TRL's SFTTrainer on the rows and settings of FOLDER: `python trl_sft.py FOLDER OUT SYSTEM`.

trl_best: without gradient checkpointing. trl_default: as SFTConfig has it, with. The rows come by
length, as `group_by_length` brings them, and are taken in this order.
"""

import json
import sys
import time
from pathlib import Path

import torch
from datasets import Dataset
from peft import LoraConfig, get_peft_model
from transformers import AutoModelForCausalLM, AutoTokenizer
from trl import SFTConfig, SFTTrainer


def load_model(path, train):
    dtype = torch.bfloat16 if train["lora"] and train["precision"] == "bf16" else torch.float32
    model = AutoModelForCausalLM.from_pretrained(path, dtype=dtype)
    # As in ours: where pad is eos, the embedding of eos would get no gradient.
    model.get_input_embeddings().padding_idx = None
    if train["lora"]:
        rank, alpha = train["lora"]["rank"], train["lora"]["alpha"]
        lora = LoraConfig(
            r=rank, lora_alpha=alpha, target_modules="all-linear", task_type="CAUSAL_LM"
        )
        model = get_peft_model(model, lora)
    return model


def config(settings, out, system):
    train = settings["train"]
    choices = {"gradient_checkpointing": False} if system == "trl_best" else {}
    return SFTConfig(
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
        **choices,
    )


def main(folder, out, system):
    settings = json.loads((folder / "settings.json").read_text())
    train = settings["train"]
    torch.set_num_threads(train["threads"])
    torch.manual_seed(train["seed"])
    model = load_model(settings["model"], train)
    rows = [json.loads(line) for line in (folder / "rows.jsonl").open()]
    trainer = SFTTrainer(
        model,
        config(settings, out, system),
        train_dataset=Dataset.from_list(rows),
        processing_class=AutoTokenizer.from_pretrained(settings["model"]),
    )
    started, cpu_started = time.perf_counter(), time.process_time()
    trainer.train()
    answer = {
        "seconds": time.perf_counter() - started,
        "cpu_seconds": time.process_time() - cpu_started,
    }
    trained = trainer.model.merge_and_unload() if train["lora"] else trainer.model
    trained.save_pretrained(out / "model")
    (out / "answer.json").write_text(json.dumps(answer))


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]), sys.argv[3])
