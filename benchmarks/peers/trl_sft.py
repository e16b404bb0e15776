"""TRL's SFTTrainer on the rows and settings of FOLDER: `python trl_sft.py FOLDER OUT SYSTEM`.

trl_best: without gradient checkpointing. trl_default: as SFTConfig has it, with. The rows come by
length, as `group_by_length` brings them, and are taken in this order.
"""

import sys
from pathlib import Path

import torch
from datasets import Dataset
from peft import LoraConfig, get_peft_model
from trainer_settings import arguments, read_rows, read_settings, train_timed
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


def main(folder, out, system):
    settings = read_settings(folder)
    choices = {"gradient_checkpointing": False} if system == "trl_best" else {}
    trainer = SFTTrainer(
        load_model(settings["model"], settings["train"]),
        SFTConfig(**arguments(settings, out), **choices),
        train_dataset=Dataset.from_list(read_rows(folder)),
        processing_class=AutoTokenizer.from_pretrained(settings["model"]),
    )
    train_timed(trainer, out)
    lora = settings["train"]["lora"]
    trained = trainer.model.merge_and_unload() if lora else trainer.model
    trained.save_pretrained(out / "model")


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]), sys.argv[3])
