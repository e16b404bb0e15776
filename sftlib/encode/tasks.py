"""What each task makes of a record, and of which labels."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from sftlib.core.labels import LabelSet
from sftlib.core.params import Tokenize
from sftlib.core.records import Record
from sftlib.core.tally import Drop
from sftlib.encode.classify import classifier
from sftlib.encode.labels import labels_of_texts, labels_of_words, no_labels
from sftlib.encode.rows import Encoded, Encoder
from sftlib.encode.seq2seq import translator
from sftlib.encode.tag import tagger


class RowEncoder(Protocol):
    """Encodes rows, and says which of them the model works on at once."""

    def encode(self, records: list[Record]) -> list[Encoded | Drop]: ...

    def packs(self, rows: list[Encoded]) -> list[int]: ...


@dataclass(frozen=True)
class Coding:
    """labels: folder of the train split -> its labels; encoder: for these, and a base model."""

    labels: Callable[[Path], LabelSet | None]
    encoder: Callable[[Path, Tokenize, LabelSet | None], RowEncoder]


def chat(model: Path, params: Tokenize, labels: LabelSet | None) -> Encoder:
    return Encoder(model, params)


ENCODERS: dict[str, Coding] = {
    "chat": Coding(no_labels, chat),
    "classify": Coding(labels_of_texts, classifier),
    "tag": Coding(labels_of_words, tagger),
    "seq2seq": Coding(no_labels, translator),
}
