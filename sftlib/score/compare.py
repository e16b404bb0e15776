"""Base against tuned model on the same rows."""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from sftlib.score.generation import Question
from sftlib.score.losses import RowLoss
from sftlib.score.text import text_scores

MODELS = ("base", "tuned")


@dataclass(frozen=True)
class Result:
    """What one model did: a loss per row, and an answer per question."""

    losses: list[RowLoss]
    answers: list[str]


def compare(
    sources: list[str], questions: list[Question], results: dict[str, Result]
) -> dict[str, Any]:
    """Metrics of both models over all rows and by source; `sources[row]` names a row's source."""
    by_source = {}
    for source in sorted(set(sources)):
        rows = {row for row, name in enumerate(sources) if name == source}
        by_source[source] = scores(rows, questions, results)
    return {**scores(set(range(len(sources))), questions, results), "by_source": by_source}


def scores(rows: set[int], questions: list[Question], results: dict[str, Result]) -> dict[str, Any]:
    asked = [number for number, question in enumerate(questions) if question.row in rows]
    references = [questions[number].reference for number in asked]
    labels = sum(results["base"].losses[row].labels for row in rows)
    block: dict[str, Any] = {"rows": len(rows), "labels": labels, "questions": len(asked)}
    for name, result in results.items():
        loss = math.fsum(result.losses[row].loss_sum for row in rows) / labels
        answers = [result.answers[number] for number in asked]
        block[name] = {
            "loss": loss,
            "perplexity": math.exp(min(loss, 700)),
            "token_accuracy": sum(result.losses[row].correct for row in rows) / labels,
            **text_scores(answers, references),
        }
    return block


def row_lines(
    ids: list[str], sources: list[str], results: dict[str, Result]
) -> Iterator[dict[str, Any]]:
    """One object per row with the sums of both models, for paired comparisons."""
    for row, (id, source) in enumerate(zip(ids, sources, strict=True)):
        line: dict[str, Any] = {"id": id, "source": source}
        for name, result in results.items():
            found = result.losses[row]
            line["labels"] = found.labels
            line[name] = {"loss_sum": found.loss_sum, "correct": found.correct}
        yield line


def samples_text(
    ids: list[str], sources: list[str], questions: list[Question], results: dict[str, Result]
) -> str:
    """The generated answers for a person to read."""
    parts = []
    for number, question in enumerate(questions):
        lines = [f"=== {sources[question.row]} {ids[question.row]}", question.prompt.rstrip()]
        lines += [f"--- reference\n{question.reference}"]
        lines += [f"--- {name}\n{result.answers[number]}" for name, result in results.items()]
        parts.append("\n".join(lines))
    return "\n\n".join(parts) + "\n"
