"""Tuned model against the shares of the labels, where texts or words have labels."""

import csv
import io
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from scipy.stats import spearmanr
from tokenizers import Tokenizer

from sftlib.core.labels import MANY, NUMBER, LabelSet
from sftlib.score.classes import by_class, confusion_lines, expected_calibration_error
from sftlib.score.exam import Exam, Outcome
from sftlib.score.intervals import interval, resampled_sums
from sftlib.score.predictions import Predictions, baseline, predict
from sftlib.score.sheets import SHEETS, Sheet
from sftlib.train.batches import PackedSplit

MODELS = ("baseline", "tuned")


@dataclass(frozen=True)
class Said:
    """What baseline and tuned model say about the rows of a split, and the sums of it."""

    labels: LabelSet
    predictions: dict[str, Predictions]
    sheets: dict[str, Sheet]


def score_labels(exam: Exam) -> Outcome:
    test, labels = exam.test(), exam.labels()
    assert labels is not None
    tuned = predict(exam.model("tuned"), test, exam.train, exam.head, labels.problem)
    predictions = {"baseline": baseline(tuned, labels), "tuned": tuned}
    sheets = {name: SHEETS[labels.problem](found, labels) for name, found in predictions.items()}
    said = Said(labels, predictions, sheets)
    texts = {"samples.txt": samples(test, said, exam.tokenizer(), exam.wanted.samples)}
    if labels.problem not in (MANY, NUMBER):
        texts["confusion.csv"] = table(confusion_lines(tuned.gold, tuned.chosen, labels.names))
    return Outcome(compare(list(test.rows["source"]), said), row_lines(test, said), texts)


def compare(sources: list[str], said: Said) -> dict[str, Any]:
    """Metrics of both over all rows and by source; of the tuned model by class too."""
    tuned = said.sheets["tuned"]
    metrics: dict[str, Any] = {
        "rows": len(tuned.sums),
        "labels": len(said.predictions["tuned"].labels),
        **{name: scores(said, name) for name in MODELS},
        "improvement": improvement(*(said.sheets[name] for name in MODELS)),
        "by_source": by_source(sources, said),
    }
    if tuned.counts is not None:
        rated = by_class(tuned.counts.sum(axis=0), tuned.names)
        worst = min(rated, key=lambda name: (rated[name]["f1"], name), default=None)
        metrics["by_class"] = rated
        if worst is not None:
            metrics["worst_class"] = {"name": worst, "f1": rated[worst]["f1"]}
    return metrics


def scores(said: Said, name: str) -> dict[str, Any]:
    """All metrics of one of the two, the main one with its interval."""
    sheet, found = said.sheets[name], said.predictions[name]
    metrics: dict[str, Any] = plain(sheet.read(sheet.total))
    if said.labels.problem == NUMBER:
        if name == "tuned":  # the baseline says the same of all: it ranks nothing
            ranks = spearmanr(found.logits[:, 0].numpy(), found.labels.numpy())
            metrics["spearman"] = float(np.nan_to_num(ranks.statistic))
    else:
        confidence = found.probabilities.max(axis=1)
        hits = (found.gold == found.chosen).astype(float)
        metrics["ece"] = expected_calibration_error(confidence, hits)
    low_high = interval(sheet.read(resampled_sums(sheet.sums))[sheet.main])
    return metrics | {f"{sheet.main}_interval": low_high}


def improvement(before: Sheet, after: Sheet) -> dict[str, Any]:
    """By how much the main metric of the tuned model is better, its interval, and a verdict."""
    main, sign = after.main, -1.0 if after.main == "mse" else 1.0

    def gain(first: Any, second: Any) -> Any:
        return sign * (after.read(second)[main] - before.read(first)[main])

    # Both are resampled by the same seed, so by the same rows.
    low, high = interval(gain(resampled_sums(before.sums), resampled_sums(after.sums)))
    return {
        main: float(gain(before.total, after.total)),
        f"{main}_interval": [low, high],
        "verdict": "better" if low > 0 else "worse" if high < 0 else "not told apart",
    }


def by_source(sources: list[str], said: Said) -> dict[str, Any]:
    """The metrics of each source, and by how much tuned is better there."""
    blocks: dict[str, Any] = {}
    for source in sorted(set(sources)):
        mask = np.array([name == source for name in sources])
        blocks[source] = {"rows": int(mask.sum())} | {
            name: plain(sheet.read(sheet.sums[mask].sum(axis=0)))
            for name, sheet in said.sheets.items()
        }
        blocks[source]["improvement"] = improvement(
            *(replace(said.sheets[name], sums=said.sheets[name].sums[mask]) for name in MODELS)
        )
    return blocks


def plain(metrics: dict[str, Any]) -> dict[str, float]:
    return {name: float(value) for name, value in metrics.items()}


def row_lines(test: PackedSplit, said: Said) -> Iterator[dict[str, Any]]:
    """One object per row with the sums of both, for paired comparisons, and what tuned says."""
    losses = {name: found.per_row(found.losses) for name, found in said.predictions.items()}
    shown, counts = shown_labels(said), np.bincount(said.predictions["tuned"].rows)
    for row, (id, source) in enumerate(zip(test.rows["id"], test.rows["source"], strict=True)):
        line: dict[str, Any] = {"id": id, "source": source, "labels": int(counts[row])}
        line |= {name: {"loss_sum": float(losses[name][row])} for name in MODELS}
        yield line | {"gold": shown[row][0], "predicted": shown[row][1]}


def shown_labels(said: Said) -> list[tuple[list[Any], list[Any]]]:
    """The labels of each row that there are, and those that the tuned model gives it."""
    found, names, problem = said.predictions["tuned"], said.labels.names, said.labels.problem
    ends = np.bincount(found.rows).cumsum()[:-1]
    sides: list[Any] = [found.gold, found.chosen]
    if problem == NUMBER:
        sides = [found.labels.numpy(), found.logits[:, 0].numpy()]

    def named(values: Any) -> list[Any]:
        if problem == NUMBER:
            return [round(float(value), 4) for value in values]
        if problem == MANY:
            return [name for name, flag in zip(names, values, strict=True) if flag]
        return [names[value] for value in values]

    gold, chosen = (list(map(named, np.split(side, ends))) for side in sides)
    return list(zip(gold, chosen, strict=True))


def samples(test: PackedSplit, said: Said, tokenizer: Tokenizer, count: int) -> str:
    """The rows that the tuned model finds hardest, for a person to read."""
    found = said.predictions["tuned"]
    mean = found.per_row(found.losses) / np.bincount(found.rows)
    shown, parts = shown_labels(said), []
    for row in np.lexsort((np.arange(len(mean)), -mean))[:count].tolist():
        fields = test.rows[row]
        gold, predicted = (", ".join(map(str, side)) for side in shown[row])
        parts.append(
            f"=== {fields['source']} {fields['id']} loss {mean[row]:.3f}\n"
            f"{tokenizer.decode(fields['input_ids'])}\n--- label\n{gold}\n--- tuned\n{predicted}"
        )
    return "\n\n".join(parts) + "\n"


def table(lines: list[list[object]]) -> str:
    stream = io.StringIO()
    csv.writer(stream, lineterminator="\n").writerows(lines)
    return stream.getvalue()
