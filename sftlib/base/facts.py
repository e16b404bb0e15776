"""What a model on disk is, read from its config and the headers of its weights."""

import json
import math
from pathlib import Path
from typing import Any

from sftlib.base.layout import read_json
from sftlib.core.errors import DataError

MAX_HEADER_BYTES = 100_000_000  # the limit of the safetensors library


def model_facts(folder: Path) -> dict[str, Any]:
    """Type, number of parameters (tied ones once) and rows of the vocabulary."""
    config = read_json(folder / "config.json")
    tensors = [t for file in sorted(folder.glob("*.safetensors")) for t in tensor_headers(file)]
    return {
        "model_type": config.get("model_type"),
        "parameters": sum(math.prod(tensor["shape"]) for tensor in tensors),
        "vocabulary": config.get("vocab_size"),
        "dtypes": sorted({tensor["dtype"] for tensor in tensors}),
    }


def tensor_headers(file: Path) -> list[dict[str, Any]]:
    """The dtype and shape of every tensor; raises `DataError` when the file is cut short."""
    with file.open("rb") as stream:
        header_bytes = int.from_bytes(stream.read(8), "little")
        text = stream.read(min(header_bytes, MAX_HEADER_BYTES))
    try:
        header = json.loads(text)
        tensors = [entry for name, entry in header.items() if name != "__metadata__"]
        end = max((tensor["data_offsets"][1] for tensor in tensors), default=0)
    except (ValueError, KeyError, IndexError, AttributeError, TypeError):
        raise DataError(f"base: {file.name} is not a safetensors file: fetch it again") from None
    if file.stat().st_size != 8 + header_bytes + end:
        raise DataError(f"base: {file.name} is cut short: fetch it again")
    return tensors
