"""`sft why`: what cleaning changed in a row, and the rows that it dropped."""

import json
from pathlib import Path
from typing import Any

import pytest
from conftest import ROOT, change_params

from sftlib.clean.source import Job, clean_source
from sftlib.cli.why import print_why
from sftlib.core.errors import UsageError
from sftlib.core.params import load_params

OPERATORS = [
    {"name": name} for name in ("repair_unicode", "nfc", "control_characters", "white_space")
]
MORE = [{"name": "refusals"}, {"name": "pii"}]
LINES = [
    '{"prompt": "Who?", "completion": "Anna"}',
    '{"prompt": "Where?", "completion": "CafÃ© e\u0301  \\nmail\u200b [b]a@b.de[/b]\\u001b[31m "}',
    '{"prompt": "Do", "completion": "I\'m sorry, but I can\'t assist \\"you\\"."}',
    '{"prompt": "no answer\u202e"}',
    '{"prompt": broken [red]',
]


@pytest.fixture
def built(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A project in which one source was cleaned."""
    (tmp_path / "params.yaml").write_text((ROOT / "params.yaml").read_text())
    source = {"path": "data/raw/a.jsonl", "format": "prompt_completion", "licence": "CC0-1.0"}
    limits: dict[str, Any] = {"max_dropped": 1.0, "operators": OPERATORS + MORE}
    change_params(tmp_path, sources_={"a": source}, clean=limits)
    (tmp_path / "data/raw").mkdir(parents=True)
    (tmp_path / "data/raw/a.jsonl").write_text("\n".join(LINES))
    params = load_params(tmp_path / "params.yaml")
    rows, ledger = (tmp_path / "data" / name / "a" for name in ("clean", "ledger/clean"))
    clean_source(Job("a", params.sources["a"], params.clean, tmp_path, rows, ledger), params.run)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "120")
    return tmp_path


def lives(query: str, capsys: pytest.CaptureFixture[str]) -> list[dict[str, Any]]:
    print_why(query, as_json=True)
    found: list[dict[str, Any]] = json.loads(capsys.readouterr().out)
    return found


def test_each_operator_shows_what_it_changed(built: Path, capsys: Any) -> None:
    (life,) = lives("data/raw/a.jsonl:2", capsys)
    assert life["events"][0]["detail"] == (
        "changed by repair_unicode, nfc, control_characters, white_space, pii"
    )
    edits = [(edit["operator"], edit["after"].partition("\n")[2]) for edit in life["raw"]["edits"]]
    assert edits == [
        ("repair_unicode", "Café e\u0301  \nmail\u200b [b]a@b.de[/b]\x1b[31m "),
        ("nfc", "Café é  \nmail\u200b [b]a@b.de[/b]\x1b[31m "),
        ("control_characters", "Café é  \nmail [b]a@b.de[/b] "),
        ("white_space", "Café é\nmail [b]a@b.de[/b]"),
        ("pii", "Café é\nmail [b][EMAIL][/b]"),
    ]
    assert (life["raw"]["id"], life["raw"]["drop"]) == (life["id"], None)
    assert json.loads(life["raw"]["text"])["prompt"] == "Where?"
    assert lives("[email]", capsys) == [life]


def test_the_diff_is_plain_and_escaped_off_a_terminal(built: Path, capsys: Any) -> None:
    print_why("data/raw/a.jsonl:2", as_json=False)
    shown = capsys.readouterr().out
    assert shown[shown.index("changed by nfc:") :].splitlines() == [
        "changed by nfc:",
        "-Caf\\xe9 e\\u0301  ",
        "+Caf\\xe9 \\xe9  ",
        "changed by control_characters:",
        "-mail\\u200b [b]a@b.de[/b]\\x1b[31m\u00b7",
        "+mail [b]a@b.de[/b]\u00b7",
        "changed by white_space:",
        "-Café é\u00b7\u00b7",
        "-mail [b]a@b.de[/b]\u00b7",
        "+Café é",
        "+mail [b]a@b.de[/b]",
        "changed by pii:",
        "-mail [b]a@b.de[/b]",
        "+mail [b][EMAIL][/b]",
    ]
    assert "\x1b" not in shown


def test_the_diff_is_coloured_on_a_terminal(
    built: Path, capsys: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setenv("TERM", "xterm-256color")
    print_why("data/raw/a.jsonl:2", as_json=False)
    shown = capsys.readouterr().out
    assert "\x1b[31m-mail [b]a@b.de[/b]\x1b[0m" in shown
    assert "\x1b[32m+mail [b][EMAIL][/b]\x1b[0m" in shown


@pytest.mark.parametrize(
    ("line", "words", "reason"),
    [
        (3, 'assist "YOU"', "refusal: turn 2 says \"I'm sorry, but I can't assist\""),
        (4, "no answer", "missing_field: no 'completion' among the fields 'prompt'"),
        (5, "broken [red]", "broken_json: unexpected character, expected a JSON value"),
    ],
)
def test_dropped_rows_are_found_by_place_and_by_text(
    built: Path, capsys: Any, line: int, words: str, reason: str
) -> None:
    (life,) = lives(f"data/raw/a.jsonl:{line}", capsys)
    assert (life["id"], life["events"][0]["outcome"]) == (None, "dropped")
    assert life["events"][0]["detail"].startswith(reason)
    assert words.split()[0].lower() in life["raw"]["text"].lower()
    assert lives(words, capsys) == [life]
    print_why(words, as_json=False)
    shown = capsys.readouterr().out
    assert "\u202e" not in shown
    assert shown.partition("raw row:\n")[2].startswith('{"prompt":')


def test_a_row_that_changed_since_the_build_is_not_explained(built: Path, capsys: Any) -> None:
    (built / "data/raw/a.jsonl").write_text("\n".join(LINES).replace("Anna", "Berta"))
    print_why("data/raw/a.jsonl:1", as_json=False)
    assert "is not what it was in this build" in capsys.readouterr().out


def test_an_unknown_text(built: Path) -> None:
    with pytest.raises(UsageError, match="no row is at 'nowhere'"):
        print_why("nowhere", as_json=True)
