"""What the rows of a source are like: how long, in which languages, with which labels.

Counts, so that profiles of sources add up and those of two builds can be compared.
"""

from array import array
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import orjson

PERCENTILES = (10, 50, 90)


@dataclass
class Profile:
    """Of the curated rows of one source.

    characters: the length of each row's text. languages: where an operator noted them.
    labels: of a text, of each that it has, and of each word; numbers are none.
    """

    characters: "array[int]" = field(default_factory=lambda: array("q"))
    languages: Counter[str] = field(default_factory=Counter)
    labels: Counter[str] = field(default_factory=Counter)

    def add(self, line: bytes, entry: dict[str, Any], characters: int) -> None:
        """Count a row, given as its line and the object of its line in the ledger."""
        self.characters.append(characters)
        if "language" in entry:
            self.languages[entry["language"]] += 1
        if labels := labels_of(line):
            self.labels.update(labels)

    def to_json(self) -> dict[str, Any]:
        """Metrics; `lengths`: rows of at most so many characters, and more than half of that."""
        if not self.characters:
            return {}
        values = np.array(self.characters)
        percentiles = np.percentile(values, PERCENTILES).round(1).tolist()
        named = {f"p{n}": value for n, value in zip(PERCENTILES, percentiles, strict=True)}
        found: dict[str, Any] = {
            "characters": {"mean": round(float(values.mean()), 1), **named},
            "lengths": length_classes(self.characters),
        }
        for name in ("languages", "labels"):
            if getattr(self, name):
                found[name] = dict(sorted(getattr(self, name).items()))
        return found


def labels_of(line: bytes) -> list[str]:
    if b'"label":' not in line and b'"tags":' not in line:  # most rows need not be parsed
        return []
    fields = orjson.loads(line)
    labels = fields.get("tags", fields.get("label", []))
    if isinstance(labels, str):
        return [labels]
    return labels if isinstance(labels, list) else []


def length_classes(characters: Sequence[int]) -> dict[str, int]:
    """Rows by the least power of two that is no smaller than their length.

    >>> length_classes([3, 4, 5, 300])
    {'4': 2, '8': 1, '512': 1}
    """
    counts = Counter(max(length - 1, 0).bit_length() for length in characters)
    return {str(1 << bits): counts[bits] for bits in sorted(counts)}
