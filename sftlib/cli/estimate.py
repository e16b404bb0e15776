"""What training will need, from the shapes of the base model and the params, in milliseconds.

Memory is the sum of what is kept at the peak, on the CPU; docs/search-and-compare.md says how good
it is.
"""

import json
import math
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import orjson

from sftlib.core.params import Params, Train
from sftlib.core.processor import has_bf16, settled_precision
from sftlib.core.state import state_folder

# The interpreter with torch and transformers, measured with a model of 50 kB.
PROCESS_BYTES = 450_000_000
# What buffers of a moment and holes between what is kept add, measured: docs/experiments.md.
TRANSIENT_OF_ADAPTERS, TRANSIENT = 1.5, 1.1
LOGITS_PER_PART = 1 << 24  # of sftlib/train/cross_entropy.py
BYTES_PER_TOKEN_OF_TEXT = 4
LEARNED_SHARE = 1 / 3  # of the tokens, until a build has counted them

# What types of models call their sizes in config.json.
NAMES = {
    "hidden": ("hidden_size", "n_embd", "d_model"),
    "layers": ("num_hidden_layers", "n_layer", "num_layers"),
    "heads": ("num_attention_heads", "n_head", "num_heads"),
    "inner": ("intermediate_size", "n_inner", "d_ff"),
}


@dataclass(frozen=True)
class Shapes:
    """Name -> shape of every weight of a model, and its config."""

    weights: dict[str, tuple[int, ...]]
    config: dict[str, Any]

    @property
    def parameters(self) -> int:
        return sum(math.prod(shape) for shape in self.weights.values())

    def adapter_parameters(self, rank: int) -> int:
        """Weights of LoRA on every matrix but embeddings and head."""
        return sum(
            rank * sum(shape)
            for name, shape in self.weights.items()
            if len(shape) == 2 and not any(part in name for part in ("embed", "lm_head", "wte"))
        )


@dataclass(frozen=True)
class Estimate:
    """Peak memory and disk in bytes, and seconds of training; None where nothing tells."""

    parameters: int
    trained: int
    memory_bytes: int
    disk_bytes: int
    tokens: int
    tokens_per_second: float | None
    seconds: float | None


def read_shapes(folder: Path) -> Shapes | None:
    """The shapes of a model, from the headers of its safetensors files.

    None without any, and for a model of a type whose sizes have other names.
    """
    weights: dict[str, tuple[int, ...]] = {}
    for file in sorted(folder.glob("*.safetensors")):
        with file.open("rb") as stream:
            header = json.loads(stream.read(int.from_bytes(stream.read(8), "little")))
        entries = {name: entry for name, entry in header.items() if name != "__metadata__"}
        weights |= {name: tuple(entry["shape"]) for name, entry in entries.items()}
    if not weights or not (folder / "config.json").is_file():
        return None
    config = orjson.loads((folder / "config.json").read_bytes())
    known = all(size(config, name) for name in ("hidden", "layers", "heads"))
    return Shapes(weights, config) if known else None


def size(config: dict[str, Any], name: str) -> int | None:
    """A size of `NAMES`; of encoder and decoder together."""
    found = next((config[key] for key in NAMES[name] if config.get(key)), None)
    if found is not None and name == "layers":
        found += config.get("num_decoder_layers") or 0
    return found


def estimate(root: Path, params: Params, shapes: Shapes, raw_bytes: int) -> Estimate:
    # That of the CPU, without asking torch.
    precision = settled_precision(params.train.precision, has_bf16())
    train = replace(params.train, precision=precision)
    params = replace(params, train=train)
    trained = shapes.parameters
    if train.lora is not None:
        trained = shapes.adapter_parameters(train.lora.rank)
    tokens, learned_share = count_tokens(root, raw_bytes)
    speed = measured_speed(root, train.packs_per_step)
    memory = (
        PROCESS_BYTES
        + weight_bytes(shapes.parameters, trained, train)
        + pack_bytes(shapes.config, params, learned_share)
    )
    # Base, tuned and final weights, and each shard of data in six stages: here and in the cache.
    disk = 2 * (3 * 2 * shapes.parameters + 6 * raw_bytes) + 2 * 16 * trained
    work = tokens * train.epochs
    seconds = None if speed is None else work / speed
    return Estimate(shapes.parameters, trained, memory, disk, work, speed, seconds)


def weight_bytes(parameters: int, trained: int, train: Train) -> int:
    """Frozen weights in the precision of the computation; trained ones in fp32, with their
    gradient, two moments of AdamW, the best so far, and copies for the average and in bf16."""
    copies = 4 + 4 + 8 + 4 + (4 if train.ema is not None else 0)
    if train.precision == "bf16":
        copies += 2
    frozen = 0 if train.lora is None else parameters * (2 if train.precision == "bf16" else 4)
    return frozen + trained * copies


def pack_bytes(config: dict[str, Any], params: Params, learned_share: float) -> int:
    """What the backward pass of one pack needs: what all layers keep for it, and logits.

    Bytes per token of a Llama-type layer, as torch's saved-tensor hooks counted them: gate, up and
    their product (`sftlib/train/gated.py`), keys and values in the precision of the computation;
    residual stream, normed inputs, queries and attention, some of them in fp32 whatever the
    precision; the rank of seven adapters.
    """
    train, tokens = params.train, params.tokenize.tokens_per_pack
    hidden, layers, heads = (size(config, name) or 1 for name in ("hidden", "layers", "heads"))
    keys = hidden * config.get("num_key_value_heads", heads) // heads
    inner = size(config, "inner") or 4 * hidden
    width = 2 if train.precision == "bf16" else 4
    wide = 3 if config.get("hidden_act") == "silu" else 4
    layer = width * (wide * inner + 2 * keys) + (24 if width == 2 else 28) * hidden
    if train.lora is not None:
        layer += width * 7 * train.lora.rank
    per_token = layers * layer
    if train.gradient_checkpointing:  # inputs of all layers, and the inside of one
        per_token = layers * (width if train.lora is not None else 4) * hidden + layer
    # Logits, which become their gradient, in fp32, and twice in bf16; made in parts.
    labels = min(tokens * learned_share, LOGITS_PER_PART / config["vocab_size"])
    logits = labels * config["vocab_size"] * (4 + (2 * 2 if width == 2 else 0))
    transient = TRANSIENT if train.lora is None else TRANSIENT_OF_ADAPTERS
    passes = 1 if train.r_drop is None else 2
    return int(transient * passes * (tokens * per_token + logits))


def count_tokens(root: Path, raw_bytes: int) -> tuple[int, float]:
    """Tokens of the train split and the share that is learned: counted, or guessed by bytes."""
    path = root / "metrics/tokenize.json"
    if not path.is_file():
        return raw_bytes // BYTES_PER_TOKEN_OF_TEXT, LEARNED_SHARE
    train = orjson.loads(path.read_bytes())["train"]
    return train["tokens"], train["learned_tokens"] / train["tokens"]


def measured_speed(root: Path, packs_per_step: int) -> float | None:
    """Tokens a second of the last training run in .sft/timings.jsonl; None before the first."""
    timings, built = state_folder(root) / "timings.jsonl", root / "metrics/train.json"
    if not timings.is_file() or not built.is_file():
        return None
    lines = map(orjson.loads, timings.read_bytes().splitlines())
    runs = [line["seconds"] for line in lines if line["stage"] == "train"]
    metrics, (tokens, _) = orjson.loads(built.read_bytes()), count_tokens(root, 0)
    epochs = metrics["steps"] * packs_per_step / metrics["packs"]
    return tokens * epochs / runs[-1] if runs else None
