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
        if "auto_map" in json.loads((folder / name).read_text(encoding="utf-8")):
            raise DataError(f"base: {name} names code of its own (auto_map): refused")


def describe_model(folder: Path) -> dict[str, Any]:
    """Kind and size of the model, from its files alone."""
    config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    return {
        "model_type": config["model_type"],
        "vocabulary": config["vocab_size"],
        "parameters": sum(count_weights(file) for file in folder.glob("*.safetensors")),
    }


def count_weights(file: Path) -> int:
    """The numbers in a safetensors file: its header is JSON after an 8-byte length."""
    with file.open("rb") as stream:
        (length,) = struct.unpack("<Q", stream.read(8))
        header = json.loads(stream.read(length))
    return sum(math.prod(t["shape"]) for name, t in header.items() if name != "__metadata__")
