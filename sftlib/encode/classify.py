"""Texts with a label, labels or a score: one row of logits for each."""

from pathlib import Path

import numpy as np
from tokenizers import Encoding

from sftlib.core.labels import MANY, NO_LOSS, NUMBER, LabelSet
from sftlib.core.params import Tokenize
from sftlib.core.records import Labeled, Record
from sftlib.core.tally import Drop
from sftlib.encode.labels import PROBLEMS, names_in
from sftlib.encode.texts import Given, Labels, TextEncoder, TextTokenizer


def classifier(model: Path, params: Tokenize, labels: LabelSet | None) -> TextEncoder:
    """Encodes `Labeled` records."""
    assert labels is not None
    target = Target(labels)
    return TextEncoder(TextTokenizer(model, params), params, target.given, target.labels)


class Target:
    """The labels [N] of a row, which line up with its logits.

    One class: its id, N = 1. Many: for each name of the label set whether the row has it. A number:
    itself, N = 1.
    """

    def __init__(self, labels: LabelSet) -> None:
        self.set = labels
        self.ids = labels.ids

    def given(self, record: Record) -> Given | Drop:
        if not isinstance(record, Labeled):
            return Drop("no_label", "the row is no text with a label")
        if PROBLEMS[type(record.label)] != self.set.problem:
            found = PROBLEMS[type(record.label)]
            return Drop("other_kind_of_label", f"a label of {found}, train has {self.set.problem}")
        if self.set.problem == NUMBER:
            is_reserved = record.label == NO_LOSS
            return Drop("reserved_label", f"{NO_LOSS} is no score") if is_reserved else record.text
        unknown = next((name for name in names_in(record.label) if name not in self.ids), None)
        if unknown is not None:
            return Drop("unknown_label", f"{unknown[:60]!r} does not occur in train")
        return record.text

    def labels(self, record: Record, encoding: Encoding) -> Labels:
        assert isinstance(record, Labeled)
        if isinstance(record.label, float):
            return np.array([record.label], np.float32)
        found = [self.ids[name] for name in names_in(record.label)]
        if self.set.problem != MANY:
            return np.array(found, np.int32)
        flags = np.zeros(len(self.ids), np.float32)
        flags[found] = 1
        return flags
