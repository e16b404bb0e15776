"""Sums per row from which every metric of a labelled task follows, for any set of rows.

Sums over rows add up, so processes can share the work, and resampled rows give intervals.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from sftlib.core.labels import MANY, NUMBER, ONE, TAGS, LabelSet
from sftlib.score.classes import Floats, Ints, class_counts, flag_counts, macro_f1, micro_f1
from sftlib.score.predictions import Predictions
from sftlib.score.spans import are_spans, span_counts, span_types

Metrics = dict[str, Floats]


@dataclass(frozen=True)
class Sheet:
    """sums [R, M] of each row; read: sums of any rows [..., M] -> metrics [...]; main: of these.

    counts [R, 3, C] by class, or by type of entity, with the names of these.
    """

    sums: Floats
    read: Callable[[Floats], Metrics]
    main: str
    names: tuple[str, ...] = ()
    counts: Floats | None = None

    @property
    def total(self) -> Floats:
        return np.asarray(self.sums.sum(axis=0))


def class_sheet(found: Predictions, labels: LabelSet) -> Sheet:
    """Of labels that are one class each, of texts or of words."""
    counts = class_counts(found.rows, found.gold, found.chosen, len(labels.names))
    sums = np.hstack([losses(found), flat(counts)])
    return Sheet(sums, read_classes, "macro_f1", labels.names, counts)


def flag_sheet(found: Predictions, labels: LabelSet) -> Sheet:
    """Of rows that have any number of labels; `exact_match` is the share with all of them right."""
    counts = flag_counts(found.gold, found.chosen, len(labels.names))
    hits = found.per_row((found.gold == found.chosen).astype(float))
    all_right = (hits == len(labels.names)).astype(float)
    sums = [losses(found), column(all_right), column(np.ones_like(all_right)), flat(counts)]

    def read(total: Floats) -> Metrics:
        rest = np.concatenate([total[..., :3], total[..., 5:]], axis=-1)
        return {**read_classes(rest), "exact_match": total[..., 3] / total[..., 4]}

    return Sheet(np.hstack(sums), read, "macro_f1", labels.names, counts)


def tag_sheet(found: Predictions, labels: LabelSet) -> Sheet:
    """Of tagged words; with scores of entities where the tags mark spans."""
    words = class_sheet(found, labels)
    if not are_spans(labels.names):
        return words
    types = span_types(labels.names)
    gold, chosen = (sentences(found, labels, tags) for tags in (found.gold, found.chosen))
    counts = span_counts(gold, chosen, types)
    width = 3 * len(types)

    def read(total: Floats) -> Metrics:
        of_words = read_classes(total[..., :-width])
        spans = total[..., -width:].reshape(*total.shape[:-1], 3, -1)
        hits, predicted, there = np.moveaxis(spans.sum(axis=-1), -1, 0)
        return {
            "loss": of_words["loss"],
            "accuracy": of_words["accuracy"],
            "entity_precision": share(hits, predicted),
            "entity_recall": share(hits, there),
            "entity_f1": micro_f1(spans),
            "entity_macro_f1": macro_f1(spans),
        }

    return Sheet(np.hstack([words.sums, flat(counts)]), read, "entity_f1", types, counts)


def number_sheet(found: Predictions, labels: LabelSet) -> Sheet:
    """Of numbers: squared error, and Pearson's correlation where predictions differ."""
    said, there = found.logits[:, 0].double().numpy(), found.labels.double().numpy()
    columns = [found.losses, np.ones_like(said), said, there, said**2, there**2, said * there]

    def read(total: Floats) -> Metrics:
        loss, count, x, y, xx, yy, xy = np.moveaxis(total, -1, 0)
        spread = np.sqrt(np.maximum((count * xx - x**2) * (count * yy - y**2), 0.0))
        pearson = share(count * xy - x * y, spread)
        return {"loss": loss / count, "mse": loss / count, "pearson": pearson}

    return Sheet(np.stack(columns, axis=1), read, "mse")


SHEETS: dict[str, Callable[[Predictions, LabelSet], Sheet]] = {
    ONE: class_sheet,
    MANY: flag_sheet,
    TAGS: tag_sheet,
    NUMBER: number_sheet,
}


def losses(found: Predictions) -> Floats:
    """[R, 3]: loss, correct labels and labels of each row."""
    correct = (found.gold == found.chosen).astype(float)
    columns = [found.losses, correct, np.ones_like(correct)]
    return np.stack([found.per_row(values) for values in columns], axis=1)


def read_classes(total: Floats) -> Metrics:
    """total [..., 3 + 3 * C]"""
    loss, correct, labels = np.moveaxis(total[..., :3], -1, 0)
    counts = total[..., 3:].reshape(*total.shape[:-1], 3, -1)
    return {
        "loss": loss / labels,
        "accuracy": correct / labels,
        "micro_f1": micro_f1(counts),
        "macro_f1": macro_f1(counts),
    }


def sentences(found: Predictions, labels: LabelSet, tags: Ints) -> list[list[str]]:
    """The names of tags [L], a list for each row."""
    ends = np.bincount(found.rows).cumsum()[:-1]
    return [[labels.names[tag] for tag in row] for row in np.split(tags, ends)]


def share(part: Floats, whole: Floats) -> Floats:
    """part / whole, and 0 where there is nothing."""
    return np.asarray(part / np.where(whole == 0, 1, whole) * (whole != 0))


def column(values: Floats) -> Floats:
    return values[:, None]


def flat(counts: Floats) -> Floats:
    return counts.reshape(len(counts), -1)
