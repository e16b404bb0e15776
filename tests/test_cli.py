"""`sft why` and `sft stats` on a built project."""

import json
import subprocess
from pathlib import Path

import pytest
from conftest import questions, repro, run, write_rows

from sftlib.console.printable import printable

pytestmark = pytest.mark.slow


def sft(project: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return run(["python", "-m", "sftlib.cli", *arguments], project, COLUMNS="160")


def lives(project: Path, query: str) -> list[dict]:
    done = sft(project, "why", query, "--json")
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_a_row_s_whole_life(built: Path) -> None:
    (life,) = lives(built, "data/raw/a.jsonl:8")
    stages = [event["stage"] for event in life["events"]]
    assert stages == ["clean", "curate", "split", "tokenize"]
    assert [message["content"] for message in life["fields"]["messages"]] == [
        "what is 7 times 8?",
        "it is 56",
    ]
    assert lives(built, life["id"]) == [life]
    assert lives(built, "IT is  56") == [life]


def test_training_rows_name_their_pack(built: Path) -> None:
    details = [life["events"][-1]["detail"] for life in lives(built, "times")]
    assert len(details) == 5  # the first of 80
    assert any("tokens, in training pack" in detail for detail in details)


def test_dropped_rows_name_the_reason_and_the_keeper(clone: Path) -> None:
    rows = questions(0, 80)
    write_rows(clone / "data/raw/a.jsonl", [*rows, rows[3], {"prompt": "\x1b[31m[bold]"}])
    repro(clone, "split")
    (twin,) = lives(clone, "data/raw/a.jsonl:81")
    assert twin["events"][-1] == {
        "stage": "curate",
        "outcome": "dropped",
        "detail": "exact_duplicate: the normalised text is equal; kept instead: data/raw/a.jsonl:4",
    }
    shown = sft(clone, "why", "data/raw/a.jsonl:82").stdout
    assert "missing_field: no 'completion' among the fields 'prompt'" in shown
    stats = json.loads(sft(clone, "stats", "--json").stdout)
    assert (stats["a"]["rows"], stats["a"]["cleaned"], stats["a"]["curated"]) == (82, 81, 80)
    assert stats["a"]["dropped"] == {"missing_field": 1, "exact_duplicate": 1}
    table = sft(clone, "stats").stdout
    assert "1 exact_duplicate" in table


def test_an_unknown_row(built: Path) -> None:
    done = sft(built, "why", "data/raw/a.jsonl:999")
    assert done.returncode == 2
    assert done.stderr.startswith("error: no row is at 'data/raw/a.jsonl:999', has this id")


def test_before_the_first_build(project: Path) -> None:
    for command in (["why", "x"], ["stats"], ["summary"]):
        done = sft(project, *command)
        assert (done.returncode, done.stderr[:7]) == (2, "error: ")
        assert "build with" in done.stderr


def test_control_characters_are_shown_not_obeyed() -> None:
    assert printable("a\x1b[31mb\u202ec\nd") == "a\\x1b[31mb\\u202ec\nd"
