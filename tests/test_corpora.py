"""Formats of published corpora: what a row becomes, and what is dropped for which reason."""

import json
from pathlib import Path

import pytest
from test_formats import clean, drops, rows

from sftlib.core.errors import DataError


def test_tagged_lines(tmp_path: Path) -> None:
    clean(tmp_path, {"a.txt": "迈向/v  1/2/m ./w\n\n新/a 世纪\n/n\n"}, "tagged_lines")
    assert rows(tmp_path) == [{"words": ["迈向", "1/2", "."], "tags": ["v", "m", "w"]}]
    assert drops(tmp_path) == [("a.txt:3", "bad_tags"), ("a.txt:4", "bad_tags")]


def test_phrases_and_their_readings(tmp_path: Path) -> None:
    entries = {"行长": [["háng"], ["zhǎng", "cháng"]], "好": [[]], "人": "rén"}
    clean(tmp_path, {"a.json": json.dumps(entries)}, "pinyin")
    (row,) = rows(tmp_path)
    assert [turn["content"] for turn in row["messages"]] == ["行长", "háng zhǎng"]
    assert drops(tmp_path) == [("a.json#2", "wrong_type"), ("a.json#3", "wrong_type")]
    with pytest.raises(DataError, match=r"b\.json:1: must be an object whose entries are the rows"):
        clean(tmp_path / "b", {"b.json": "[1]"}, "pinyin")
    with pytest.raises(DataError, match=r"c\.json:2: "):
        clean(tmp_path / "c", {"c.json": '{"a":\n}'}, "pinyin")


def test_what_one_person_says_in_a_row_is_one_turn(tmp_path: Path) -> None:
    def say(sender: str, *texts: str) -> list[dict[str, str]]:
        return [{"sender": sender, "text": text} for text in texts]

    chat = [say("x", "Hi", "You?"), say("x", "Hello?"), say("y", "Fine."), say("x", "Bye")]
    entries = {"1": {"messages": chat}, "2": {"messages": [[{"sender": "x"}]]}, "3": {"turns": []}}
    clean(tmp_path, {"a.json": json.dumps(entries)}, "chitchat")
    (row,) = rows(tmp_path)
    assert row["messages"] == [
        {"role": "user", "content": "Hi\nYou?\nHello?"},
        {"role": "assistant", "content": "Fine."},
    ]
    assert drops(tmp_path) == [("a.json#2", "missing_field"), ("a.json#3", "missing_field")]
