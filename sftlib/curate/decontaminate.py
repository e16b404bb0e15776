"""Rows to be trained on that repeat, word for word, a stretch of what is held out.

Source: n-gram overlap as in Brown et al., "Language Models are Few-Shot Learners" (arXiv
2005.14165), appendix C, which also passes over n-grams that are frequent.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sftlib.core.params import Decontaminate
from sftlib.core.records import Chat, normalise, record_from_json, record_text
from sftlib.core.rows import batched
from sftlib.core.words import words
from sftlib.curate.grams import Hashes, gram_hashes
from sftlib.curate.sets import changes

ROWS_PER_BATCH = 2000
# Grams are looked up in a table of bits first, which holds for most that they are not there.
TABLE_BITS = 24

Row = dict[str, Any]
Rows = Callable[[], Iterable[tuple[bool, Row]]]  # (whether it is held out, the row)


@dataclass(frozen=True)
class Leak:
    """The words of a row from number `position` on stand in the held out row of id `held_out`."""

    position: int
    held_out: str


def find_contaminated(read: Rows, params: Decontaminate) -> dict[str, Leak]:
    """Id of each row that shares `ngram` words in a row with a held out one -> where.

    `read` gives all rows, and is called twice, so that no text is kept in memory. Sequences found
    in more than `max_rows` rows that are not held out are no leak.
    """
    held_out = HeldOut((row for is_held, row in read() if is_held), params.ngram)
    ids: list[str] = []
    owners, positions, grams = [np.zeros(0, int)], [np.zeros(0, int)], [held_out.grams[:0]]
    for batch in batched((row for is_held, row in read() if not is_held), ROWS_PER_BATCH):
        hashes, counts = gram_hashes([spoken_text(row) for row in batch], params.ngram)
        found = held_out.find(hashes)
        rows = np.repeat(np.arange(len(batch)), counts)
        owners.append(rows[found] + len(ids))
        positions.append(found - (np.cumsum(counts) - counts)[rows[found]])
        grams.append(hashes[found])
        ids += [row["id"] for row in batch]
    where = np.concatenate(owners), np.concatenate(positions), np.concatenate(grams)
    first = first_rare(*where, params.max_rows)
    return {
        ids[where[0][match]]: Leak(int(where[1][match]), held_out.id_of(where[2][match]))
        for match in first
    }


def first_rare(
    owners: NDArray[np.int64], positions: NDArray[np.int64], grams: Hashes, max_rows: int
) -> list[int]:
    """The number of each row's first match whose gram is in at most `max_rows` rows.

    owners, positions, grams: matches in the order of rows and of positions in them.
    """
    order = np.lexsort((positions, owners, grams))
    is_new_gram = changes(grams[order])
    is_new_row = is_new_gram | changes(owners[order])
    gram_numbers = np.cumsum(is_new_gram) - 1
    frequency = np.bincount(gram_numbers[is_new_row])
    rare = np.sort(order[frequency[gram_numbers] <= max_rows])
    firsts: list[int] = rare[changes(owners[rare])].tolist()
    return firsts


class HeldOut:
    """The grams of held out rows, and the first row that has each."""

    def __init__(self, rows: Iterable[Row], size: int) -> None:
        self._ids: list[str] = []
        found, owners = [np.zeros(0, np.uint64)], [np.zeros(0, np.int64)]
        for batch in batched(rows, ROWS_PER_BATCH):
            hashes, counts = gram_hashes([spoken_text(row) for row in batch], size)
            found.append(hashes)
            owners.append(np.repeat(np.arange(len(batch)) + len(self._ids), counts))
            self._ids += [row["id"] for row in batch]
        self.grams, firsts = np.unique(np.concatenate(found), return_index=True)
        self._owners = np.concatenate(owners)[firsts]
        self._table = np.zeros(1 << TABLE_BITS, bool)
        self._table[self._places(self.grams)] = True

    def find(self, hashes: Hashes) -> NDArray[np.int64]:
        """The numbers of those hashes that are grams of a held out row."""
        likely = np.flatnonzero(self._table[self._places(hashes)])
        at = np.searchsorted(self.grams, hashes[likely])
        is_there = self.grams[np.minimum(at, len(self.grams) - 1)] == hashes[likely]
        found: NDArray[np.int64] = likely[is_there]
        return found

    def id_of(self, gram: np.uint64) -> str:
        return self._ids[int(self._owners[np.searchsorted(self.grams, gram)])]

    def _places(self, hashes: Hashes) -> NDArray[np.int64]:
        return (hashes & np.uint64((1 << TABLE_BITS) - 1)).astype(np.int64)


def shared_words(row: Row, leak: Leak, size: int) -> str:
    """The evidence: the words that the row shares."""
    return " ".join(words(spoken_text(row))[leak.position : leak.position + size])


def spoken_text(row: Row) -> str:
    """The normalised text of a row but for system prompts, which many rows share."""
    record = record_from_json(row)
    if isinstance(record, Chat):
        spoken = "\n".join(m.content for m in record.messages if m.role != "system")
        return normalise(spoken)
    return normalise(record_text(record))
