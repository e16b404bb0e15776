"""New rows made of those of train: what `compose.augment` lists.

What is made of a row depends on the row alone, and on the model where words are replaced: rows that
are added or go change no others. A new row is left out where it would be no new one.
"""

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

from sftlib.compose import noise
from sftlib.compose.amounts import Row
from sftlib.compose.lot import Draw
from sftlib.compose.paraphrase import paraphrase
from sftlib.compose.wording import cut, rewritten, texts_of
from sftlib.core.augmentations import (
    WORD_FOR_WORD,
    Augmentation,
    DeleteWords,
    Paraphrase,
    ReplaceWords,
    SwapWords,
    Typos,
)
from sftlib.core.records import (
    Record,
    Tagged,
    content_id,
    digest,
    normalise,
    opening_text,
    record_from_json,
    record_text,
    record_to_json,
)
from sftlib.core.tally import Drop

# Of a record, and the lots for one copy of it.
Augment: TypeAlias = Callable[[Record, Draw], Record]

CHANGES: dict[type[Any], Callable[[Any], noise.Change]] = {
    DeleteWords: noise.delete_words,
    SwapWords: noise.swap_words,
    Typos: noise.typos,
}


@dataclass(frozen=True)
class Made:
    """The copy of the row `origin` that an augmentation made; a drop where it is no new row."""

    origin: str
    by: str
    copy: int
    row: Row | Drop


class Known:
    """What no new row may repeat: the texts of train, and what is asked in held out rows."""

    def __init__(self, train: Iterable[Row], held_out: Iterable[Row]) -> None:
        self._texts = {text_key(record_from_json(row)) for row in train}
        self._openings = {opening_key(record_from_json(row)) for row in held_out}

    def admit(self, record: Record) -> Drop | None:
        """Take in a new row, which no later one may repeat; or say why it is none."""
        if opening_key(record) in self._openings:
            return Drop("held_out", "a row of validation or test has this text or prompt")
        key = text_key(record)
        if key in self._texts:
            return Drop("repeated", "another row has this text")
        self._texts.add(key)
        return None


def text_key(record: Record) -> str:
    return digest(normalise(record_text(record)).encode())


def opening_key(record: Record) -> str:
    return digest(normalise(opening_text(record)).encode())


def augment(
    rows: list[Row], augmentations: tuple[Augmentation, ...], known: Known, model: Path
) -> dict[str, list[Made]]:
    """Row id -> what is made of the row, in an order that no other row decides."""
    made: dict[str, list[Made]] = defaultdict(list)
    prepared = [(each, prepare(each, rows, model)) for each in augmentations]
    for row in sorted(rows, key=lambda row: str(row["id"])):
        for params, change in prepared:
            made[row["id"]] += copies(row, params, change, known)
    return made


def copies(row: Row, params: Augmentation, change: Augment, known: Known) -> Iterator[Made]:
    record = record_from_json(row)
    for copy in range(params.copies):
        new = change(record, Draw(row["id"], f"{params.name}:{params.seed}", copy))
        unchanged = Drop("unchanged", "there is nothing in it to change") if new == record else None
        fault = unchanged or known.admit(new)
        yield Made(row["id"], params.name, copy, fault or new_row(row, new, params.name))


def new_row(row: Row, record: Record, by: str) -> Row:
    """A row of its own, with the source, place and meta of the one that it was made of."""
    meta = {**row.get("meta", {}), "augmented": by}
    head = {"id": content_id(record), "source": row["source"], "place": row["place"]}
    return head | {"meta": meta} | record_to_json(record)


def prepare(params: Augmentation, rows: list[Row], model: Path) -> Augment:
    """The function that an augmentation stands for; embeddings are looked up once, here."""
    if isinstance(params, Paraphrase):
        reword = paraphrase(params)
        return lambda record, draw: rewritten(record, lambda text, _: reword(text, draw))
    if isinstance(params, ReplaceWords):
        from sftlib.compose import nearest  # with torch, which is slow to import

        texts = (text for row in rows for text in texts_of(record_from_json(row)))
        near = nearest.nearest_words(model, nearest.words_in(texts), params)
        return by_words(params, nearest.replace_words(params, near))
    return by_words(params, CHANGES[type(params)](params))


def by_words(params: Augmentation, change: noise.Change) -> Augment:
    """Changes the words of every text; those of tagged sentences only one for one."""

    def augmented(record: Record, draw: Draw) -> Record:
        if not isinstance(record, Tagged):
            return rewritten(record, lambda text, number: reworded(text, change, draw.at(number)))
        if not isinstance(params, WORD_FOR_WORD):
            return record
        words = change(list(record.words), draw)
        return Tagged(tuple(word for word in words if word is not None), record.tags)

    return augmented


def reworded(text: str, change: noise.Change, draw: Draw) -> str:
    parts = cut(text)
    return parts.joined(change(parts.words, draw)) if parts.words else text
