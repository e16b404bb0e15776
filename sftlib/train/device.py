"""Where training runs, and what makes it repeat to the bit there."""

import os
from dataclasses import replace

import torch

from sftlib.core.errors import UsageError
from sftlib.core.memory import keep_freed_memory
from sftlib.core.params import Train
from sftlib.core.processor import has_bf16, settled_precision
from sftlib.train import ranks

DTYPES = {"bf16": torch.bfloat16, "fp32": torch.float32}


def prepare_device(train: Train) -> torch.device:
    """Seed, fix threads and algorithms, and return the device that `train.device` names.

    Each rank has a GPU of its own.

    Raises `UsageError` when CUDA is asked for and there is none.
    """
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")  # read when CUDA starts
    if train.device == "cuda" and not torch.cuda.is_available():
        raise UsageError(
            "params.yaml: train.device: cuda, but torch sees no GPU: check `nvidia-smi` and that "
            "torch is a CUDA build, or set it to auto or cpu"
        )
    keep_freed_memory()
    torch.set_num_threads(train.threads)
    torch.use_deterministic_algorithms(True)
    # That would fill all memory that torch takes, which nothing reads before it is written.
    torch.utils.deterministic.fill_uninitialized_memory = False  # type: ignore[attr-defined]
    torch.manual_seed(train.seed)
    use_cuda = train.device == "cuda" or (train.device == "auto" and torch.cuda.is_available())
    if not use_cuda or ranks.count() == 1:
        return torch.device("cuda" if use_cuda else "cpu")
    torch.cuda.set_device(ranks.local_number())
    return torch.device("cuda", ranks.local_number())


def settled(train: Train, device: torch.device) -> Train:
    """`train` with its precision settled for the device."""
    on_cuda = device.type == "cuda"
    computes_bf16 = torch.cuda.is_bf16_supported(False) if on_cuda else has_bf16()
    return replace(train, precision=settled_precision(train.precision, computes_bf16))


def dtype_of(train: Train) -> torch.dtype:
    """The type of `train.precision`, which is settled."""
    return DTYPES[train.precision]


def describe(device: torch.device) -> str:
    """The device as it stands in the metrics."""
    return f"cuda ({torch.cuda.get_device_name(device)})" if device.type == "cuda" else "cpu"


def autocast(device: torch.device, train: Train) -> torch.autocast:
    """The context in which matrices are multiplied in `train.precision`."""
    dtype = dtype_of(train)
    return torch.autocast(device.type, dtype=dtype, enabled=dtype != torch.float32)
