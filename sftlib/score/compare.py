"""Base against tuned model on the same rows."""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from sftlib.score.generation import Question
from sftlib.score.intervals import paired_gain
from sftlib.score.losses import RowLoss
from sftlib.score.text import text_scores

MODELS = ("base", "tuned")
LENGTHS = (("up to 16 tokens", 16), ("17 to 64 tokens", 64), ("over 64 tokens", 1 << 62))


@dataclass(frozen=True)
class Result:
    """What one model did: a loss per row, and an answer per question."""

    losses: list[RowLoss]
    answers: list[str]

    def of_rows(self, rows: list[int]) -> "Result":
        """The losses of these rows alone."""
        return Result([self.losses[row] for row in rows], [])


def compare(
    sources: list[str], questions: list[Question], results: dict[str, Result]
) -> dict[str, Any]:
    """Metrics of both models over all rows and by source; `sources[row]` names a row's source."""
    everything = set(range(len(sources)))
    lengths = [length_class(loss.labels) for loss in results["base"].losses]
    slices = {"source": by(sources, questions, results), "length": by(lengths, questions, results)}
    return {
        **scores(everything, questions, results),
        "improvement": improvement(results),
        "worst_slice": worst_slice(slices),
        "by_source": slices["source"],
        "by_length": slices["length"],
    }


def by(names: list[str], questions: list[Question], results: dict[str, Result]) -> dict[str, Any]:
    """The scores of each slice and what they gained; `names[row]` is that of a row's slice."""
    blocks = {}
    for name in sorted(set(names)):
        rows = [row for row, n in enumerate(names) if n == name]
        gained = improvement({of: one.of_rows(rows) for of, one in results.items()})
        blocks[name] = {**scores(set(rows), questions, results), "improvement": gained}
    return blocks


def length_class(labels: int) -> str:
    """Rows by learned tokens: short answers and long ones are different tasks."""
    return next(name for name, most in LENGTHS if labels <= most)


def improvement(results: dict[str, Result]) -> dict[str, Any]:
    """By how much the tuned model's loss is lower, with its interval, and a verdict."""
    labels = np.array([loss.labels for loss in results["base"].losses], dtype=float)
    gains = np.array(
        [
            base.loss_sum - tuned.loss_sum
            for base, tuned in zip(results["base"].losses, results["tuned"].losses, strict=True)
        ]
    )
    gain, bounds, verdict = paired_gain(gains, labels)
    return {"loss": gain, "loss_interval": bounds, "verdict": verdict}


def worst_slice(slices: dict[str, dict[str, Any]]) -> dict[str, Any]:
    """The slice on which the tuned model has the highest loss."""
    kind, name = max(
        ((kind, name) for kind, blocks in slices.items() for name in blocks),
        key=lambda at: slices[at[0]][at[1]]["tuned"]["loss"],
    )
    return {"by": kind, "name": name, "loss": slices[kind][name]["tuned"]["loss"]}


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
    ids: list[str], sources: list[str], questions: list[Question], results: dict[str, Result]
) -> Iterator[dict[str, Any]]:
    """One object per row with the sums of both models, for paired comparisons, and its answers."""
    asked = {question.row: number for number, question in enumerate(questions)}
    for row, (id, source) in enumerate(zip(ids, sources, strict=True)):
        line: dict[str, Any] = {"id": id, "source": source}
        for name, result in results.items():
            found = result.losses[row]
            line["labels"] = found.labels
            line[name] = {"loss_sum": found.loss_sum, "correct": found.correct}
        if row in asked:
            line["answers"] = answers_to(questions[asked[row]], asked[row], results)
        yield line


def answers_to(question: Question, number: int, results: dict[str, Result]) -> dict[str, str]:
    """What was asked, what stands in the data, and what each model says."""
    said = {name: result.answers[number] for name, result in results.items()}
    return {"prompt": question.prompt, "reference": question.reference, **said}


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
