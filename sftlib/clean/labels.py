"""Rows that are texts with labels, and sentences with tags."""

from math import isfinite
from typing import Any

from sftlib.clean.fields import kind, missing, text_at
from sftlib.clean.reasons import Reason
from sftlib.core.params import Source
from sftlib.core.records import Label, Labeled, Record, Tagged, Unlabelled
from sftlib.core.tally import Drop

# A row of text columns: their line in the file, and the columns.
Lines = list[tuple[int, list[str]]]


def parse_text_label(value: Any, source: Source) -> Record | Drop:
    """{"text": "Great!", "label": "positive"} -> a text and its label, labels or score.

    A label is passed over where the source is to be unlabelled.
    """
    text = text_at(value, "text")
    if isinstance(text, Drop):
        return text
    if source.role == "unlabelled":
        return Unlabelled(text)
    if "label" not in value:
        return missing("label", value)
    label = label_of(value["label"])
    if isinstance(label, Drop):
        return label
    known = source.labels
    for name in label if isinstance(label, tuple) else (label,):
        if known is not None and name not in known:
            detail = f"{str(name)[:60]!r} is none of {', '.join(known)}"
            return Drop(Reason.UNKNOWN_LABEL, detail)
    return Labeled(text, label)


def label_of(value: Any) -> Label | Drop:
    """A name; class numbers are names, other numbers are scores, lists are several labels."""
    if isinstance(value, str):
        return value
    if type(value) is int:  # true and false are no labels
        return str(value)
    if isinstance(value, float) and isfinite(value):  # tables hold NaN for what is missing
        return value
    if isinstance(value, list):
        names = [label_of(item) for item in value]
        if all(isinstance(name, str) for name in names):
            return tuple(sorted(str(name) for name in set(names)))
    return Drop(Reason.WRONG_TYPE, f"'label' is a name, a number or a list, not {kind(value)}")


def parse_conll(block: Lines, source: Source) -> Record | Drop:
    """Lines of columns, the word in the first and the tag in the last -> a tagged sentence."""
    words, tags = [], []
    before = "O"
    for line, columns in block:
        if len(columns) < 2:
            return Drop(Reason.BAD_TAGS, f"line {line}: a word and a tag are needed")
        tag = columns[-1]
        fault = transition_fault(before, tag, source.scheme)
        if fault:
            return Drop(Reason.BAD_TAGS, f"line {line}: {fault}")
        words.append(columns[0])
        tags.append(tag)
        before = tag
    if source.scheme == "bioes" and before[:2] in ("B-", "I-"):
        return Drop(Reason.BAD_TAGS, f"line {block[-1][0]}: the sentence ends inside {before}")
    return Tagged(tuple(words), tuple(as_iob2(tags, source.scheme)))


def transition_fault(before: str, tag: str, scheme: str | None) -> str | None:
    """Why `tag` cannot follow `before` in a scheme; None also for tags without one."""
    if scheme is None:
        return None
    allowed = ("B", "I", "E", "S") if scheme == "bioes" else ("B", "I")
    mark, dash, kind_ = tag.partition("-")
    if tag != "O" and (mark not in allowed or not dash or not kind_):
        return f"{tag!r} is no tag of {scheme}"
    within = before not in ("O", "") and before[2:] == kind_
    inside = within and before[0] in "BI"
    if scheme == "iob2" and mark == "I" and not within:
        return f"{tag} cannot follow {before}"
    if scheme == "bioes":
        is_open = before[:2] in ("B-", "I-")
        if (mark in ("I", "E")) != is_open or (is_open and not inside):
            return f"{tag} cannot follow {before}"
    return None


def as_iob2(tags: list[str], scheme: str | None) -> list[str]:
    """Tags of IOB1 or BIOES as IOB2.

    >>> as_iob2(["I-A", "I-A", "B-A", "O"], "iob1"), as_iob2(["S-A", "B-A", "E-A"], "bioes")
    (['B-A', 'I-A', 'B-A', 'O'], ['B-A', 'B-A', 'I-A'])
    """
    if scheme == "bioes":
        marks = {"S": "B", "E": "I"}
        return [marks.get(tag[0], tag[0]) + tag[1:] for tag in tags]
    if scheme != "iob1":
        return tags
    result = []
    for before, tag in zip(["O", *tags], tags, strict=False):
        starts = tag[:2] == "I-" and (before == "O" or before[2:] != tag[2:])
        result.append("B" + tag[1:] if starts else tag)
    return result


def parse_conllu(block: Lines, source: Source) -> Record | Drop:
    """Lines of CoNLL-U -> forms and universal part-of-speech tags."""
    words, tags = [], []
    for line, columns in block:
        if columns[0].startswith("#"):
            continue
        if len(columns) != 10:
            return Drop(Reason.BAD_TAGS, f"line {line}: {len(columns)} columns, CoNLL-U has 10")
        if columns[0].isdecimal():  # 1-2 is a contraction of words that follow, 1.1 an empty node
            words.append(columns[1])
            tags.append(columns[3])
    return Tagged(tuple(words), tuple(tags))
