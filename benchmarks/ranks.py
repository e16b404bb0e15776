"""Seconds of an optimizer step by one process, and by two that hold its weights in shards.

Each has one thread on the CPU. The model is a random Llama of 8 million weights, fully fine-tuned
in fp32; a step has four packs of 512 tokens. The first of six steps is not counted.
"""

import tempfile
import time
from collections.abc import Callable
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from statistics import median

import datasets
import torch
from transformers import LlamaConfig, LlamaForCausalLM

from benchmarks.report import Figure, figure, run_benchmark
from sftlib.core.params import Params, load_params
from sftlib.train import ranks
from sftlib.train.batches import PackedSplit
from sftlib.train.device import prepare_device
from sftlib.train.launch import launch
from sftlib.train.loop import Run, fit
from sftlib.train.model import Trainee

STEPS, PACKS_PER_STEP, TOKENS, WORDS = 6, 4, 512, 8000


def prepare(folder: Path) -> None:
    torch.manual_seed(0)
    sizes = {"hidden_size": 256, "intermediate_size": 1024, "num_hidden_layers": 6}
    heads = {"num_attention_heads": 8, "num_key_value_heads": 4}
    config = LlamaConfig(vocab_size=WORDS, **sizes, **heads, tie_word_embeddings=True)
    LlamaForCausalLM(config).save_pretrained(folder / "model")
    rows = []
    for number in range(STEPS * PACKS_PER_STEP):
        ids = torch.randint(WORDS, (TOKENS + 1,)).tolist()
        rows.append({"pack": number, "input_ids": ids[:-1], "labels": ids[1:]})
    for split, part in (("train", rows), ("validation", rows[:2])):
        datasets.Dataset.from_list(part).save_to_disk(folder / split)


def train(params: Params, folder: Path) -> None:
    """Write the median of a step's seconds to `folder`."""
    times: list[float] = []

    def show(step: int, note: str) -> None:
        times.append(time.perf_counter())

    device = prepare_device(params.train)
    trainee = Trainee(folder / "model", params.train, device)
    splits = [PackedSplit(folder, name) for name in ("train", "validation")]
    fit(Run(params.train, device, trainee, *splits, folder / "checkpoints", 1e9, show))
    if ranks.is_first():
        seconds = median(b - a for a, b in pairwise(times[:-1]))
        (folder / "seconds").write_text(str(seconds))


def seconds_of(way: Callable[[Params, Path], None], params: Params) -> float:
    with tempfile.TemporaryDirectory() as place:
        prepare(Path(place))
        way(params, Path(place))
        return float((Path(place) / "seconds").read_text())


def by_two(params: Params, folder: Path) -> None:
    how = replace(params.run, processes=2)
    launch(how, "benchmark", folder / "scratch", train, params, folder)


def measure() -> list[Figure]:
    params = load_params(Path("params.yaml"))
    training = replace(
        params.train, device="cpu", threads=1, precision="fp32", lora=None,
        packs_per_step=PACKS_PER_STEP, validations_per_epoch=1,
    )  # fmt: skip
    params = replace(params, train=training)
    case = f"{PACKS_PER_STEP} packs of {TOKENS} tokens"
    return [
        figure(case, "one process", "seconds of a step", seconds_of(train, params), "s"),
        figure(case, "two processes", "seconds of a step", seconds_of(by_two, params), "s"),
    ]


if __name__ == "__main__":
    datasets.disable_progress_bars()
    run_benchmark(measure)
