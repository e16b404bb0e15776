"""Labels for texts that have none, by a model that the labelled rows of train have taught.

Source: self-training with a confidence threshold, Lee, "Pseudo-Label: The Simple and Efficient
Semi-Supervised Learning Method for Deep Neural Networks" (ICML 2013 workshop). The model is a
logistic regression on frozen embeddings: docs/decisions/12-pseudo-labels-by-a-light-head.md.
"""

from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from sftlib.compose.amounts import Row
from sftlib.core.errors import DataError
from sftlib.core.params import Params, PseudoLabels, Train
from sftlib.core.records import normalise
from sftlib.core.tally import Drop


@dataclass(frozen=True)
class Guess:
    """The label that a text most likely has, and how likely."""

    label: str
    confidence: float


@dataclass(frozen=True)
class Labelling:
    """By the id of a text without a label: the label that it gets, or why it is dropped."""

    guesses: dict[str, Guess] = field(default_factory=dict)
    drops: dict[str, Drop] = field(default_factory=dict)


def is_unlabelled(row: Row) -> bool:
    return "text" in row and "label" not in row


def label_texts(rows: list[Row], params: Params, model: Path) -> Labelling:
    """What becomes of the rows of train that have no label."""
    texts = [row for row in rows if is_unlabelled(row)]
    chosen = params.compose.pseudo_labels
    if chosen is None:
        drop = Drop("unlabelled", "compose.pseudo_labels is null")
        return Labelling(drops={row["id"]: drop for row in texts})
    labelled = [row for row in rows if "label" in row]
    known = {normalise(row["text"]) for row in labelled}
    drop = Drop("already_labelled", "another row has this text, and a label")
    drops = {row["id"]: drop for row in texts if normalise(row["text"]) in known}
    asked = [row for row in texts if row["id"] not in drops]
    guesses = guess_labels(labelled, asked, chosen, model, params.train) if asked else {}
    drops |= {id: unsure(guess, chosen) for id, guess in guesses.items() if not sure(guess, chosen)}
    return Labelling({id: g for id, g in guesses.items() if sure(g, chosen)}, drops)


def sure(guess: Guess, params: PseudoLabels) -> bool:
    return guess.confidence >= params.confidence


def unsure(guess: Guess, params: PseudoLabels) -> Drop:
    detail = f"{guess.label!r} with {guess.confidence:.3f}, asked are {params.confidence:g}"
    return Drop("low_confidence", detail)


def with_label(row: Row, guess: Guess) -> Row:
    """The row with its guessed label, marked as such in its meta; its id stays."""
    head = {key: value for key, value in row.items() if key != "text"}
    meta = {**row.get("meta", {}), "pseudo": True}
    return {**head, "meta": meta, "text": row["text"], "label": guess.label}


def guess_labels(
    labelled: list[Row], texts: list[Row], params: PseudoLabels, model: Path, train: Train
) -> dict[str, Guess]:
    """Row id -> guess, of every text.

    In each round the head learns the labelled rows and those texts that it was sure of in the round
    before, and judges all texts anew.
    """
    # Torch is slow to import, and most builds guess no label.
    from sftlib.compose.embeddings import embed
    from sftlib.compose.logistic import fit_logistic, probabilities

    names = label_names(labelled)
    vectors = embed([row["text"] for row in labelled + texts], model, train)
    known, unknown = vectors[: len(labelled)], vectors[len(labelled) :]
    gold = np.array([names.index(row["label"]) for row in labelled])
    chosen, taught = np.zeros(len(texts), np.int64), np.zeros(len(texts), bool)
    confidence = np.zeros(len(texts))
    for _ in range(params.rounds):
        classes = np.concatenate([gold, chosen[taught]])
        head = fit_logistic(np.concatenate([known, unknown[taught]]), classes, len(names))
        said = probabilities(head, unknown)
        chosen, confidence = said.argmax(axis=1), said.max(axis=1)
        taught = confidence >= params.confidence
    pairs = zip(chosen, confidence, strict=True)
    guesses = [Guess(names[number], float(value)) for number, value in pairs]
    return dict(zip([row["id"] for row in texts], guesses, strict=True))


def label_names(labelled: list[Row]) -> list[str]:
    """The labels there are, sorted; `DataError` unless there are two, and each row has one."""
    labels = [row["label"] for row in labelled]
    if not all(isinstance(label, str) for label in labels):
        raise DataError(
            "compose.pseudo_labels: rows of train have lists of labels or scores, and only single "
            "labels can be guessed: set it to null"
        )
    names = sorted(set(labels))
    if len(names) < 2:
        raise DataError(
            f"compose.pseudo_labels: rows of train have {len(names)} label, at least two are needed"
        )
    return names
