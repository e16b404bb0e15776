"""What a model folder must hold, and what it must not."""

import json
import math
import struct
from pathlib import Path
from typing import Any

from sftlib.core.errors import DataError

REQUIRED = ("config.json", "tokenizer.json", "tokenizer_config.json")
PICKLED = (".bin", ".pt", ".pth", ".ckpt", ".pkl", ".pickle")


def check_layout(folder: Path) -> None:
    """Raise `DataError` unless `folder` is a model of safetensors and data alone."""
    for name in REQUIRED:
        if not (folder / name).is_file():
            raise DataError(f"base: {name} is missing: the uri must name a whole model folder")
    if not list(folder.glob("*.safetensors")):
        raise DataError("base: there is no *.safetensors file: other weights are not read")
    for file in sorted(folder.rglob("*")):
        if file.suffix in PICKLED:
            raise DataError(f"base: {file.name} may hold pickled code: convert it to safetensors")
    for name in ("config.json", "tokenizer_config.json"):
        if "auto_map" in read_config(folder / name):
            raise DataError(f"base: {name} names code of its own (auto_map): refused")


def describe_model(folder: Path) -> dict[str, Any]:
    """Kind and size of the model, from its files alone; raises `DataError` for a damaged one."""
    config = read_config(folder / "config.json")
    for key in ("model_type", "vocab_size"):
        if key not in config:
            raise DataError(f"base: config.json has no '{key}': is it that of a language model?")
    return {
        "model_type": config["model_type"],
        "vocabulary": config["vocab_size"],
        "parameters": sum(count_weights(file) for file in folder.glob("*.safetensors")),
    }


def read_config(file: Path) -> dict[str, Any]:
    try:
        config = json.loads(file.read_text(encoding="utf-8"))
    except ValueError as error:
        raise DataError(f"base: {file.name} is not JSON: {error}") from None
    if not isinstance(config, dict):
        raise DataError(f"base: {file.name} must be a JSON object")
    return config


def count_weights(file: Path) -> int:
    """The numbers in a safetensors file: its header is JSON after an 8-byte length."""
    size = file.stat().st_size
    try:
        with file.open("rb") as stream:
            (length,) = struct.unpack("<Q", stream.read(8))
            header = json.loads(stream.read(min(length, size)))
        tensors = [tensor for name, tensor in header.items() if name != "__metadata__"]
        end = 8 + length + max((tensor["data_offsets"][1] for tensor in tensors), default=0)
        weights: int = sum(math.prod(tensor["shape"]) for tensor in tensors)
    except (struct.error, ValueError, KeyError, TypeError, AttributeError):
        raise DataError(f"base: {file.name} is not a safetensors file") from None
    if end != size:
        raise DataError(f"base: {file.name} has {size} bytes, its header says {end}: cut off?")
    return weights
