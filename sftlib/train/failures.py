"""What stops training, said with its place and its remedy."""

import math
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file

from sftlib.core.errors import DataError, UsageError
from sftlib.train.batches import PackedSplit

ROWS_NAMED = 8
NO_MEMORY_ON_CPU = "DefaultCPUAllocator: can't allocate memory"


def check_loss(loss: float, step: int, split: PackedSplit, packs: list[int]) -> None:
    """Raise `UsageError` with the rows of the step unless the loss is a finite number."""
    if math.isfinite(loss):
        return
    rows = [row for pack in packs for row in split.row_numbers(pack)]
    named = [f"  {split.rows[n]['id']} of {split.rows[n]['source']}" for n in rows[:ROWS_NAMED]]
    more = [f"  and {len(rows) - ROWS_NAMED} more"] if len(rows) > ROWS_NAMED else []
    raise UsageError(
        "\n".join(
            [
                f"the loss is {loss} at step {step}, on {len(rows)} rows: lower train.lr, set "
                "train.max_grad_norm, or look at them with `python -m sftlib.cli why ID`:",
                *named,
                *more,
            ]
        )
    )


@contextmanager
def explained_memory() -> Iterator[None]:
    """Inside, running out of memory becomes a `UsageError` that names what to lower."""
    remedy = (
        "lower tokenize.tokens_per_pack, set train.gradient_checkpointing: true, or train "
        "adapters alone with train.lora"
    )
    try:
        yield
    except torch.OutOfMemoryError as error:
        first = str(error).partition(". ")[0]
        raise UsageError(f"train: the GPU is out of memory ({first}): {remedy}") from None
    except RuntimeError as error:
        if NO_MEMORY_ON_CPU not in str(error):
            raise
        raise UsageError(f"train: the memory is not enough: {remedy}") from None


def read_tensors(file: Path, remedy: str, device: str = "cpu") -> dict[str, torch.Tensor]:
    """The tensors of a safetensors file; `DataError` with the remedy when it is damaged."""
    try:
        return load_file(file, device)
    except (SafetensorError, OSError) as error:
        raise DataError(f"{file} cannot be read ({error}): {remedy}") from None


@contextmanager
def explained_weights(folder: Path) -> Iterator[None]:
    """Inside, damaged weights of the model in `folder` become a `DataError`."""
    try:
        yield
    except SafetensorError as error:
        names = ", ".join(file.name for file in sorted(folder.glob("*.safetensors")))
        raise DataError(
            f"{folder}: {names or 'the weights'} cannot be read ({error}): bring the folder back "
            "with `dvc checkout --force`, or delete it and run `dvc repro`"
        ) from None
