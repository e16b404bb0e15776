"""Hits and misses by class, which add up over rows, and the scores that follow from them.

Further dimensions: R rows, C classes. Counts [..., 3, C] are the labels of each class that were
found, that were predicted, and that there are.
"""

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

BINS = 15


def class_counts(rows: Ints, gold: Ints, chosen: Ints, classes: int) -> Floats:
    """Counts [R, 3, C] of labels [L] of one class each."""

    def tallied(of: NDArray[np.bool_], by: Ints) -> Ints:
        places = rows[of] * classes + by[of]
        size = (int(rows.max()) + 1) * classes
        return np.bincount(places, minlength=size).reshape(-1, classes)

    every = np.ones(len(rows), bool)
    found = [tallied(gold == chosen, gold), tallied(every, chosen), tallied(every, gold)]
    return np.stack(found, axis=1).astype(np.float64)


def flag_counts(gold: Ints, chosen: Ints, classes: int) -> Floats:
    """Counts [R, 3, C] of flags [R * C] that say whether a row has a label."""
    flags = np.stack([gold & chosen, chosen, gold]).reshape(3, -1, classes)
    return flags.transpose(1, 0, 2).astype(np.float64)


def f1(counts: Floats) -> Floats:
    """[..., C]: the harmonic mean of precision and recall; NaN for classes that do not occur."""
    hits, predicted, gold = np.moveaxis(counts, -2, 0)
    with np.errstate(invalid="ignore"):
        return np.asarray(2 * hits / (predicted + gold))


def macro_f1(counts: Floats) -> Floats:
    """[...]: the mean over the classes that occur; 0 where none does."""
    scores = f1(counts)
    occurring = np.maximum((~np.isnan(scores)).sum(axis=-1), 1)
    return np.asarray(np.nan_to_num(scores).sum(axis=-1) / occurring)


def micro_f1(counts: Floats) -> Floats:
    """[...]: that of all labels together; 0 where there is none."""
    return np.asarray(np.nan_to_num(f1(counts.sum(axis=-1, keepdims=True))[..., 0]))


def by_class(counts: Floats, names: tuple[str, ...]) -> dict[str, dict[str, float]]:
    """Precision, recall and F1 of each class that occurs, from counts [3, C]."""
    found = {}
    for name, (hits, predicted, gold), score in zip(names, counts.T, f1(counts), strict=True):
        if predicted or gold:
            found[name] = {
                "labels": int(gold),
                "precision": float(hits / predicted) if predicted else 0.0,
                "recall": float(hits / gold) if gold else 0.0,
                "f1": float(score),
            }
    return found


def expected_calibration_error(confidence: Floats, correct: Floats) -> float:
    """How far confidence is from accuracy, on average over bins of equal width.

    Source: Guo et al., "On Calibration of Modern Neural Networks" (arXiv 1706.04599).

    >>> round(expected_calibration_error(np.array([0.9, 0.9]), np.array([1.0, 0.0])), 6)
    0.4
    """
    bins = np.minimum((confidence * BINS).astype(int), BINS - 1)
    gaps = np.bincount(bins, weights=correct - confidence, minlength=BINS)
    return float(np.abs(gaps).sum() / len(confidence))


def confusion_lines(gold: Ints, chosen: Ints, names: tuple[str, ...]) -> list[list[object]]:
    """Lines (actual, predicted) of a table, the header first; what `dvc plots` counts up itself."""
    pairs = [[names[a], names[b]] for a, b in zip(gold, chosen, strict=True)]
    return [["actual", "predicted"], *pairs]
