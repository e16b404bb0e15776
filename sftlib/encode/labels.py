"""The labels of a train split: what kind they are, which there are, how often each occurs."""

from collections import Counter
from collections.abc import Iterable
from pathlib import Path

from sftlib.core.errors import DataError
from sftlib.core.labels import MANY, NUMBER, ONE, TAGS, LabelSet
from sftlib.core.records import Label, Labeled, Record, Tagged, record_from_json
from sftlib.core.rows import read_folder

PROBLEMS = {str: ONE, tuple: MANY, float: NUMBER}


def labels_of_texts(train: Path) -> LabelSet:
    """Labels of texts; raises `DataError` when there are none, one alone, or several kinds."""
    labels = [r.label for r in records(train) if isinstance(r, Labeled)]
    kinds = Counter(PROBLEMS[type(label)] for label in labels)
    if not kinds:
        raise absent("classify", "a label")
    if len(kinds) > 1:
        found = ", ".join(f"{count} of {kind}" for kind, count in sorted(kinds.items()))
        raise DataError(f"task: classify: the labels of train are of several kinds: {found}")
    (problem,) = kinds
    if problem == NUMBER:
        numbers = [label for label in labels if isinstance(label, float)]
        return LabelSet(NUMBER, (), (), len(labels), sum(numbers) / len(numbers))
    names = (name for label in labels for name in names_in(label))
    return named(problem, names, len(labels), least=2 if problem == ONE else 1)


def labels_of_words(train: Path) -> LabelSet:
    """Tags of words; raises `DataError` when there are none, or one alone."""
    tags = [tag for r in records(train) if isinstance(r, Tagged) for tag in r.tags]
    if not tags:
        raise absent("tag", "tags")
    return named(TAGS, tags, len(tags), least=2)


def no_labels(train: Path) -> None:
    """Rows whose answers are texts have no labels."""


def records(train: Path) -> Iterable[Record]:
    return map(record_from_json, read_folder(train))


def named(problem: str, names: Iterable[str], rows: int, least: int) -> LabelSet:
    counts = Counter(names)
    if len(counts) < least:
        raise DataError(f"train has {len(counts)} label ({', '.join(counts)}): nothing is learned")
    order = sorted(counts)
    return LabelSet(problem, tuple(order), tuple(counts[name] for name in order), rows)


def names_in(label: Label) -> tuple[str, ...]:
    return label if isinstance(label, tuple) else (str(label),)


def absent(task: str, what: str) -> DataError:
    return DataError(
        f"task: {task} needs rows with {what}, train has none: give sources a format that has "
        "them (docs/formats.md), or set another task"
    )
