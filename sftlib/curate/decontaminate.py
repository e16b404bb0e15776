"""Rows to be trained on that repeat, word for word, a stretch of what is held out.

Source: n-gram overlap as in Brown et al., "Language Models are Few-Shot Learners" (arXiv
2005.14165), appendix C, which also passes over n-grams that are frequent.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from sftlib.core.params import Decontaminate
from sftlib.core.records import Chat, normalise, record_from_json, record_text
from sftlib.core.words import words


@dataclass(frozen=True)
class Leak:
    """The words that a row shares with the held out row of id `held_out`."""

    words: str
    held_out: str


# (whether it is held out, the row)
Sided = tuple[bool, dict[str, Any]]


def find_contaminated(
    read: Callable[[], Iterable[Sided]], params: Decontaminate
) -> dict[str, Leak]:
    """Id of each row that shares `ngram` words in a row with a held out one -> the evidence.

    `read` gives all rows, and is called twice, so that only held out text is kept in memory.
    Word sequences found in more than `max_rows` rows that are not held out are no leak.
    """
    known: dict[str, str] = {}
    for held_out, row in read():
        if held_out:
            for gram in ngrams(row, params.ngram):
                known.setdefault(gram, row["id"])
    shared: dict[str, list[str]] = {}
    for held_out, row in read():
        if not held_out:
            found = [gram for gram in ngrams(row, params.ngram) if gram in known]
            if found:
                shared[row["id"]] = list(dict.fromkeys(found))
    frequency = Counter(gram for found in shared.values() for gram in found)
    evidence = {}
    for id, found in shared.items():
        rare = next((gram for gram in found if frequency[gram] <= params.max_rows), None)
        if rare is not None:
            evidence[id] = Leak(rare, known[rare])
    return evidence


def ngrams(row: dict[str, Any], size: int) -> Iterator[str]:
    """Sequences of `size` words; a shorter text is one sequence."""
    found = words(normalise(spoken_text(row)))
    for start in range(max(1, len(found) - size + 1)):
        yield " ".join(found[start : start + size])


def spoken_text(row: dict[str, Any]) -> str:
    """The text of a row but for system prompts, which many rows share."""
    record = record_from_json(row)
    if isinstance(record, Chat):
        return "\n".join(m.content for m in record.messages if m.role != "system")
    return record_text(record)
