"""The three splits, in the order in which they are listed."""

from typing import Literal

SplitName = Literal["train", "validation", "test"]
SPLITS: tuple[SplitName, ...] = ("train", "validation", "test")
HELD_OUT_SPLITS: tuple[SplitName, ...] = ("validation", "test")
