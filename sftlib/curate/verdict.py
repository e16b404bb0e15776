"""What is decided about rows."""

from collections import Counter
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, slots=True)
class Duplicate:
    """Why a row is dropped, and the row that is kept in its stead, if there is one."""

    reason: str
    keeper: int | None
    detail: str


@dataclass(frozen=True)
class Verdict:
    """What was found, by row number: duplicates, places, and counts for the metrics.

    A place below 0 is that of a cluster which holds a row that is held out.
    """

    duplicates: dict[int, Duplicate]
    places: NDArray[np.float64]
    copies: dict[str, Counter[int]]
    clusters: int
    pairs_compared: int
