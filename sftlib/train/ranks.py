"""Processes that train together; for a process alone each function here does nothing.

Small values go over the network by gloo, whatever weights and gradients go by.
"""

import os

import torch
from torch import distributed


def count() -> int:
    return distributed.get_world_size() if distributed.is_initialized() else 1


def number() -> int:
    return distributed.get_rank() if distributed.is_initialized() else 0


def is_first() -> bool:
    return number() == 0


def local_number() -> int:
    """Which of the ranks of its node this one is."""
    return int(os.environ["LOCAL_RANK"]) if distributed.is_initialized() else 0


def is_writer() -> bool:
    """Whether this rank writes files: one does on every node."""
    return local_number() == 0


def deal(items: int) -> list[tuple[int, float]]:
    """Which of so many items this rank works on, and how much each counts.

    Collectives need all ranks, so each gets as many: what fills up counts 0.0, all others 1.0.
    Of three items, rank 1 of two gets [(1, 1.0), (2, 0.0)].
    """
    places = range(number(), number() + items, count())
    return [(min(place, items - 1), float(place < items)) for place in places]


def total(value: float) -> float:
    """The sum over all ranks."""
    if count() == 1:
        return value
    whole = torch.tensor(value, dtype=torch.float64)
    distributed.all_reduce(whole)
    return float(whole)


def of_first(value: float) -> float:
    """What the first rank has."""
    return total(value if is_first() else 0.0)


def text_of_first(text: str) -> str:
    """What the first rank has, which alone need have it."""
    if count() == 1:
        return text
    encoded = text.encode()
    letters = torch.zeros(int(of_first(len(encoded))), dtype=torch.uint8)
    if is_first():
        letters = torch.frombuffer(bytearray(encoded), dtype=torch.uint8)
    distributed.broadcast(letters, src=0)
    return letters.numpy().tobytes().decode()
