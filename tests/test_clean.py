"""Cleaning: every faulty row gets its reason, and none is lost."""

import json
from pathlib import Path

import orjson
import pytest
from conftest import ROOT

from sftlib.clean.source import Job, clean_source
from sftlib.core.errors import DataError
from sftlib.core.params import Clean, Source, load_params
from sftlib.core.rows import read_folder
from sftlib.core.tally import Tally

RUN = load_params(ROOT / "params.yaml").run


def clean(
    root: Path, content: bytes, format: str, name: str = "x.jsonl", max_dropped: float = 1.0, **more
) -> Tally:
    path = root / "data/raw" / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    source = Source(f"data/raw/{name}", format, "CC0-1.0", **more)
    rows, ledger = root / "rows", root / "ledger"
    job = Job("x", source, Clean(max_dropped, 1000, None, None), root, rows, ledger)
    tally = clean_source(job, RUN)
    orjson.dumps(tally.to_json())  # as the memo does with the tally of a large file
    return tally


GOOD = b'{"prompt": "2+2?", "completion": "4"}\n'


@pytest.mark.parametrize(
    ("line", "reason", "detail"),
    [
        (b'{"prompt": "a', "broken_json", "unexpected control character in string at column 14"),
        (b'{"prompt": "a", "completion": "\\ud800"}', "broken_json", "surrogate"),
        (b"[" * 900, "broken_json", "nested too deeply"),
        (b'{"prompt": "\xff"}', "not_utf8", "byte 0xff at column 13"),
        (b'"' + b"a" * 2000 + b'"', "line_too_long", "over 1,000 bytes"),
        (b'{"promt": "a", "completion": "b"}', "missing_field", "did you mean 'promt'?"),
        (b'{"prompt": 1, "completion": "b"}', "wrong_type", "'prompt' is a text, not a number"),
        (b"[1]", "wrong_type", "a row is an object, not a list"),
        (b'{"prompt": " ", "completion": "b"}', "empty_text", "turn 1 (user) is empty"),
        (b'{"prompt": "a\\u0000", "completion": "b"}', "nul_character", "U+0000 at character 2"),
    ],
)
def test_faulty_lines(tmp_path: Path, line: bytes, reason: str, detail: str) -> None:
    tally = clean(tmp_path, GOOD + line + b"\n" + GOOD, "prompt_completion")
    assert (tally.rows_in, tally.kept, dict(tally.dropped)) == (3, 2, {reason: 1})
    (drop,) = read_folder(tmp_path / "ledger/dropped")
    assert (drop["at"], drop["reason"]) == ("data/raw/x.jsonl:2", reason)
    assert detail in drop["detail"]


@pytest.mark.parametrize(
    ("messages", "reason"),
    [
        ([{"role": "bot", "content": "a"}], "unknown_role"),
        ([{"role": "user", "content": "a"}], "no_answer"),
        ([{"role": "assistant", "content": "a"}], "role_order"),
        ([], "no_answer"),
        ([{"role": "user"}], "missing_field"),
    ],
)
def test_faulty_conversations(tmp_path: Path, messages: list[object], reason: str) -> None:
    good = {"messages": [{"role": "user", "content": "a"}, {"role": "assistant", "content": "b"}]}
    lines = "\n".join(json.dumps(row) for row in (good, {"messages": messages}))
    assert dict(clean(tmp_path, lines.encode(), "messages").dropped) == {reason: 1}


def test_labels(tmp_path: Path) -> None:
    content = (
        b'{"text": "a", "label": 1}\n{"text": "b", "label": "2"}\n{"text": "c", "label": true}\n'
    )
    tally = clean(tmp_path, content, "text_label", labels=("0", "1"))
    assert (tally.kept, dict(tally.dropped)) == (1, {"unknown_label": 1, "wrong_type": 1})


def test_bom_crlf_and_blank_lines_are_no_faults(tmp_path: Path) -> None:
    content = b"\xef\xbb\xbf" + GOOD.replace(b"\n", b"\r\n") + b"\r\n" + GOOD
    tally = clean(tmp_path, content, "prompt_completion")
    assert (tally.rows_in, tally.kept) == (2, 2)
    kept = [entry["at"] for entry in read_folder(tmp_path / "ledger/kept")]
    assert kept == ["data/raw/x.jsonl:1", "data/raw/x.jsonl:3"]


def test_chatterbot_turns_are_texts_as_written(tmp_path: Path) -> None:
    content = b"categories: [x]\nconversations:\n- - Ok?\n  - no\n- - a\n  - 1.0\n  - c\n- text\n"
    tally = clean(tmp_path, content, "chatterbot", name="x.yml")
    assert (dict(tally.dropped), dict(tally.changed)) == (
        {"wrong_type": 1},
        {"unanswered_turn_cut": 1},
    )
    answers = [row["messages"][-1]["content"] for row in read_folder(tmp_path / "rows")]
    assert answers == ["no", "1.0"]


def test_too_many_faults_end_the_build_with_examples(tmp_path: Path) -> None:
    with pytest.raises(DataError) as error:
        clean(tmp_path, GOOD + b"{}\n" + b"x\n", "prompt_completion", max_dropped=0.5)
    assert str(error.value).splitlines() == [
        "sources.x: 2 of 3 rows are faulty, more than clean.max_dropped (0.5) allows:",
        "  data/raw/x.jsonl:2: missing_field: no 'prompt' among the fields none",
        "  data/raw/x.jsonl:3: broken_json: "
        "unexpected character, expected a JSON value at column 1",
        "mend the rows or the source's format, or raise clean.max_dropped in params.yaml",
    ]
