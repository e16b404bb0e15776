"""Entities in tagged sentences: a span counts when its type and both its ends are right.

Source: seqeval's strict mode, IOB2; as in the evaluation of CoNLL-2003.
"""

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray
from seqeval.scheme import IOB2, Entities


def are_spans(names: tuple[str, ...]) -> bool:
    """Whether tags mark spans: O, B-TYPE and I-TYPE alone."""
    return "O" in names and all(name == "O" or name[:2] in ("B-", "I-") for name in names)


def span_types(names: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(sorted({name[2:] for name in names if name != "O"}))


def span_counts(
    gold: list[list[str]], chosen: list[list[str]], types: tuple[str, ...]
) -> NDArray[np.float64]:
    """Counts [R, 3, types] of spans that were found, that were predicted, and that there are."""
    numbers = {name: number for number, name in enumerate(types)}
    counts = np.zeros((len(gold), 3, len(types)))
    for row, (there, said) in enumerate(zip(spans(gold), spans(chosen), strict=True)):
        for kind, found in enumerate((there & said, said, there)):
            for name, _, _ in found:
                counts[row, kind, numbers[name]] += 1
    return counts


def spans(sentences: list[list[str]]) -> Iterator[set[tuple[str, int, int]]]:
    """(type, first word, word after the last) of the spans of each sentence."""
    for entities in Entities(sentences, IOB2).entities:
        yield {(entity.tag, entity.start, entity.end) for entity in entities}
