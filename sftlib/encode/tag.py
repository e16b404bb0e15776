"""Words with a tag each: the first token of a word learns its tag, the others learn nothing.

Example, where "playing" is two tokens:

    words            Ann      is playing
    input_ids  [CLS] ann      is play ##ing [SEP]
    labels      -100 B-person O  O    -100  -100
"""

from functools import lru_cache
from pathlib import Path

import numpy as np
from tokenizers import Encoding

from sftlib.core.labels import NO_LOSS, LabelSet
from sftlib.core.params import Tokenize
from sftlib.core.records import Record, Tagged
from sftlib.core.tally import Drop
from sftlib.encode.texts import Given, Labels, TextEncoder, TextTokenizer

# Read in place of a word of which the tokenizer leaves nothing, so that every word has a tag.
STAND_IN = "?"


def tagger(model: Path, params: Tokenize, labels: LabelSet | None) -> TextEncoder:
    """Encodes `Tagged` records."""
    assert labels is not None
    tokenizer = TextTokenizer(model, params)
    tags = Tags(tokenizer, labels)
    return TextEncoder(tokenizer, params, tags.given, tags.labels)


class Tags:
    """Words as the tokenizer can read them, and their tags at its tokens."""

    def __init__(self, tokenizer: TextTokenizer, labels: LabelSet) -> None:
        self.ids = labels.ids
        self._readable = lru_cache(maxsize=1 << 18)(tokenizer.leaves_something)

    def given(self, record: Record) -> Given | Drop:
        if not isinstance(record, Tagged):
            return Drop("no_label", "the row is no sentence with tags")
        unknown = next((tag for tag in record.tags if tag not in self.ids), None)
        if unknown is not None:
            return Drop("unknown_label", f"{unknown[:60]!r} does not occur in train")
        return [word if self._readable(word) else STAND_IN for word in record.words]

    def labels(self, record: Record, encoding: Encoding) -> Labels:
        """[T]; words that were cut off are missing."""
        assert isinstance(record, Tagged)
        labels = np.full(len(encoding.ids), NO_LOSS, np.int32)
        before = None
        for position, word in enumerate(encoding.word_ids):
            if word is not None and word != before:
                labels[position] = self.ids[record.tags[word]]
            before = word
        return labels
