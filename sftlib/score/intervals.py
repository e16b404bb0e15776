"""How sure a figure is: bootstrap intervals over the rows of a test split.

Source: Efron and Tibshirani, "An Introduction to the Bootstrap" (1993), percentile intervals; base
and tuned model are resampled together, since they answered the same rows.
"""

import numpy as np
from numpy.typing import NDArray

RESAMPLES = 1000
SEED = 1
LEVEL = 0.95

Vector = NDArray[np.float64]


def interval(values: Vector) -> list[float]:
    """The middle `LEVEL` of resampled values, as [low, high]."""
    tail = (1 - LEVEL) / 2
    low, high = np.quantile(values, [tail, 1 - tail])
    return [float(low), float(high)]


def resampled_sums(values: Vector) -> Vector:
    """Sums [RESAMPLES, M] of `values` [rows, M] over every resample of the rows."""
    random, rows = np.random.default_rng(SEED), len(values)
    sums = np.empty((RESAMPLES, values.shape[1]))
    for number in range(RESAMPLES):
        times = np.bincount(random.integers(rows, size=rows), minlength=rows)
        sums[number] = times @ values
    return sums


def resampled_means(sums: list[Vector], weights: Vector) -> list[Vector]:
    """For each vector of sums per row, its mean per weight in every resample of the rows.

    sums, weights [rows] -> each [RESAMPLES].
    """
    random, rows = np.random.default_rng(SEED), len(weights)
    found = [np.empty(RESAMPLES) for _ in sums]
    for number in range(RESAMPLES):
        chosen = random.integers(rows, size=rows)
        total = weights[chosen].sum()
        for values, means in zip(sums, found, strict=True):
            means[number] = values[chosen].sum() / total
    return found


def paired_gain(gains: Vector, weights: Vector) -> tuple[float, list[float], str]:
    """By how much one model is better per weight, its interval, and what follows from that.

    gains [rows]: how much better it is on each row, in sum; weights [rows].
    """
    low, high = interval(resampled_means([gains], weights)[0])
    verdict = "better" if low > 0 else "worse" if high < 0 else "not told apart"
    return float(gains.sum() / weights.sum()), [low, high], verdict
