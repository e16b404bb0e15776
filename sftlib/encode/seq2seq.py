"""A text and the text that answers it, for models with an encoder and a decoder."""

from pathlib import Path

import numpy as np
from tokenizers import Encoding

from sftlib.core.labels import LabelSet
from sftlib.core.params import Tokenize
from sftlib.core.records import Record
from sftlib.core.tally import Drop
from sftlib.encode.rows import as_messages
from sftlib.encode.texts import Given, Labels, TextEncoder, TextTokenizer


def translator(model: Path, params: Tokenize, labels: LabelSet | None) -> TextEncoder:
    """Encodes any record: the encoder reads what stands before the last answer."""
    answers = Answers(TextTokenizer(model, params))
    return TextEncoder(answers.tokenizer, params, answers.given, answers.labels)


class Answers:
    """What the encoder reads, and the ids [N] that the decoder learns, its end of text included."""

    def __init__(self, tokenizer: TextTokenizer) -> None:
        self.tokenizer = tokenizer

    def given(self, record: Record) -> Given | Drop:
        return "\n".join(message.content for message in as_messages(record)[:-1])

    def labels(self, record: Record, encoding: Encoding) -> Labels | Drop:
        target = self.tokenizer.encode_one(as_messages(record)[-1].content)
        return target if isinstance(target, Drop) else np.array(target.ids, np.int32)
