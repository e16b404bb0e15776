"""Formats: what a row of each becomes, and what is dropped for which reason."""

import json
from pathlib import Path
from typing import Any

import pytest
from conftest import ROOT

from sftlib.clean.detect import detect_format
from sftlib.clean.formats import FORMATS
from sftlib.clean.source import Job, clean_source
from sftlib.core.errors import DataError, UsageError
from sftlib.core.params import Clean, Source, load_params
from sftlib.core.records import record_from_json, record_to_json
from sftlib.core.rows import read_folder
from sftlib.core.tally import Tally

RUN = load_params(ROOT / "params.yaml").run
ASK, TELL = {"role": "user", "content": "Hi"}, {"role": "assistant", "content": "Yo"}
SYSTEM = {"role": "system", "content": "Be kind."}


def clean(root: Path, files: dict[str, bytes | str], format: str, **more: Any) -> Tally:
    for name, content in files.items():
        path = root / "data/raw/x" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content.encode() if isinstance(content, str) else content)
    source = Source("data/raw/x", format, "CC0-1.0", **more)
    job = Job("x", source, Clean(1.0, 10_000, None, None), root, root / "rows", root / "ledger")
    return clean_source(job, RUN)


def rows(root: Path) -> list[dict[str, Any]]:
    found = list(read_folder(root / "rows"))
    for row in found:
        assert row.pop("source") == "x"
        assert len(row.pop("id")) == 32
        record = {key: row[key] for key in row if key != "meta"}
        assert record_to_json(record_from_json(record)) == record
    return found


def drops(root: Path) -> list[tuple[str, str]]:
    return [(e["at"].rpartition("/")[2], e["reason"]) for e in read_folder(root / "ledger/dropped")]


@pytest.mark.parametrize(
    ("format", "row", "messages"),
    [
        (
            "alpaca",
            {"instruction": "Hi", "input": "", "output": "Yo"},
            [ASK, TELL],
        ),
        (
            "alpaca",
            {"instruction": "Add.", "input": "2 2", "output": "Yo", "system": "Be kind."},
            [SYSTEM, {"role": "user", "content": "Add.\n\n2 2"}, TELL],
        ),
        (
            "sharegpt",
            {"conversations": [{"from": "human", "value": "Hi"}, {"from": "gpt", "value": "Yo"}]},
            [ASK, TELL],
        ),
        (
            "sharegpt",
            {
                "system": "Be kind.",
                "conversations": [{"from": "user", "value": "Hi"}, {"from": "bing", "value": "Yo"}],
            },
            [SYSTEM, ASK, TELL],
        ),
        (
            "messages",
            {
                "messages": [
                    {"role": "developer", "content": "Be kind."},
                    {"role": "user", "content": [{"type": "text", "text": "Hi"}]},
                    TELL,
                ]
            },
            [SYSTEM, ASK, TELL],
        ),
        ("query_response", {"question": "Hi", "answer": "Yo"}, [ASK, TELL]),
        ("query_response", {"instruction": "Hi", "response": "Yo"}, [ASK, TELL]),
    ],
)
def test_conversations(tmp_path: Path, format: str, row: Any, messages: Any) -> None:
    clean(tmp_path, {"a.jsonl": json.dumps(row)}, format)
    assert rows(tmp_path) == [{"messages": messages}]


CALL = {"type": "function", "function": {"name": "add", "arguments": {"a": 1}}}
TOOLS = [{"type": "function", "function": {"name": "add", "parameters": {}}}]
USE = [
    ASK,
    {"role": "assistant", "content": "", "tool_calls": [CALL]},
    {"role": "tool", "content": "2"},
    TELL,
]


def test_tool_calls(tmp_path: Path) -> None:
    call = {"id": "7", "type": "function", "function": {"name": "add", "arguments": '{"a": 1}'}}
    given = [ASK, {"role": "assistant", "content": None, "tool_calls": [call]}, *USE[2:]]
    broken = {"function": {"name": "add", "arguments": "{"}}
    lines = [
        {"messages": given, "tools": TOOLS},
        {"messages": [ASK, {"role": "assistant", "content": "", "tool_calls": [broken]}, TELL]},
        {"messages": [ASK, {"role": "assistant", "content": "", "tool_calls": [CALL]}, ASK, TELL]},
        {"messages": [ASK, TELL], "tools": "{"},
    ]
    clean(tmp_path, {"a.jsonl": "\n".join(map(json.dumps, lines))}, "messages")
    assert rows(tmp_path) == [{"messages": USE, "tools": TOOLS}]
    assert drops(tmp_path) == [
        ("a.jsonl:2", "bad_tool_call"),
        ("a.jsonl:3", "role_order"),
        ("a.jsonl:4", "bad_tool_call"),
    ]


def test_sharegpt_function_calls(tmp_path: Path) -> None:
    turns = [
        {"from": "human", "value": "Hi"},
        {"from": "function_call", "value": '{"name": "add", "arguments": {"a": 1}}'},
        {"from": "observation", "value": "2"},
        {"from": "gpt", "value": "Yo"},
    ]
    content = json.dumps({"conversations": turns, "tools": json.dumps(TOOLS)})
    clean(tmp_path, {"a.jsonl": content}, "sharegpt")
    assert rows(tmp_path) == [{"messages": USE, "tools": TOOLS}]


def test_every_branch_of_a_tree_is_a_row(tmp_path: Path) -> None:
    def node(text: str, role: str, *replies: Any) -> dict[str, Any]:
        return {"text": text, "role": role, "replies": list(replies)}

    last = node("C", "prompter", node("D", "assistant"))
    tree = node("A", "prompter", node("B", "assistant"), node("E", "assistant", last))
    tally = clean(tmp_path, {"a.jsonl": json.dumps({"prompt": tree})}, "reply_tree")
    texts = [[m["content"] for m in row["messages"]] for row in rows(tmp_path)]
    assert texts == [["A", "B"], ["A", "E", "C", "D"]]
    assert tally.rows_in == 2


def test_labels_of_every_kind(tmp_path: Path) -> None:
    given = ["good", 3, 0.5, ["b", "a", "b"], None, True]
    lines = [json.dumps({"text": "t", "label": label}) for label in given]
    clean(tmp_path, {"a.jsonl": "\n".join(lines)}, "text_label")
    assert [row["label"] for row in rows(tmp_path)] == ["good", "3", 0.5, ["a", "b"]]
    assert drops(tmp_path) == [("a.jsonl:5", "wrong_type"), ("a.jsonl:6", "wrong_type")]


def test_known_labels_are_enforced_in_lists_too(tmp_path: Path) -> None:
    lines = [json.dumps({"text": "t", "label": label}) for label in (["a"], ["a", "c"])]
    tally = clean(tmp_path, {"a.jsonl": "\n".join(lines)}, "text_label", labels=("a", "b"))
    assert (tally.kept, dict(tally.dropped)) == (1, {"unknown_label": 1})


@pytest.mark.parametrize(
    ("scheme", "tags", "expected"),
    [
        ("iob2", "B-X I-X O", ["B-X", "I-X", "O"]),
        ("iob2", "O I-X O", "line 2: I-X cannot follow O"),
        ("iob2", "B-X I-Y O", "line 2: I-Y cannot follow B-X"),
        ("iob2", "E-X O O", "line 1: 'E-X' is no tag of iob2"),
        ("iob1", "I-X I-X B-X", ["B-X", "I-X", "B-X"]),
        ("bioes", "S-X B-Y E-Y", ["B-X", "B-Y", "I-Y"]),
        ("bioes", "B-X O O", "line 2: O cannot follow B-X"),
        ("bioes", "O O B-X", "line 3: the sentence ends inside B-X"),
        ("bioes", "O E-X O", "line 2: E-X cannot follow O"),
        (None, "NN VB NN", ["NN", "VB", "NN"]),
    ],
)
def test_tags(tmp_path: Path, scheme: Any, tags: str, expected: list[str] | str) -> None:
    content = "\n".join(f"w{n} x {tag}" for n, tag in enumerate(tags.split()))
    files = {"a.conll": content + "\n\n", "b.conll": "w O"}
    clean(tmp_path, files, "conll", scheme=scheme)
    if isinstance(expected, list):
        assert rows(tmp_path)[:1] == [{"words": ["w0", "w1", "w2"], "tags": expected}]
    else:
        (drop,) = read_folder(tmp_path / "ledger/dropped")
        assert (drop["reason"], drop["detail"]) == ("bad_tags", expected)


def test_conll_sentences(tmp_path: Path) -> None:
    content = "-DOCSTART- O\n\n# O\ntag B-X\n\n\nlast\tO\nhalf"
    clean(tmp_path, {"a.txt": content}, "conll", scheme="iob2")
    assert rows(tmp_path) == [{"words": ["#", "tag"], "tags": ["O", "B-X"]}]
    assert drops(tmp_path) == [("a.txt:7", "bad_tags")]


def test_conllu(tmp_path: Path) -> None:
    tokens = ["1-2\tim", "1\tin\tin\tADP", "2\tdem\tder\tDET", "2.1\tx"]
    lines = ["# text = im", *(line + "\t_" * (9 - line.count("\t")) for line in tokens)]
    clean(tmp_path, {"a.conllu": "\n".join(lines)}, "conllu")
    assert rows(tmp_path) == [{"words": ["in", "dem"], "tags": ["ADP", "DET"]}]


def test_classes_as_folders_and_as_files(tmp_path: Path) -> None:
    files = {"sport/1.txt": "a\nb", "news/1.txt": b"caf\xe9", "news/2.txt": "c"}
    clean(tmp_path / "1", files, "folder_by_class")
    assert rows(tmp_path / "1") == [
        {"text": "c", "label": "news"},
        {"text": "a\nb", "label": "sport"},
    ]
    assert drops(tmp_path / "1") == [("1.txt:1", "not_utf8")]
    clean(tmp_path / "2", {"pos.txt": "fine\n\ngood\n", "neg.txt": "bad"}, "lines_by_class")
    found = [(row["label"], row["text"]) for row in rows(tmp_path / "2")]
    assert found == [("neg", "bad"), ("pos", "fine"), ("pos", "good")]


def test_aligned_files(tmp_path: Path) -> None:
    clean(tmp_path / "1", {"a.source": "one\ntwo\n", "a.target": "eins\nzwei\n"}, "aligned_files")
    turns = [[m["content"] for m in row["messages"]] for row in rows(tmp_path / "1")]
    assert turns == [["one", "eins"], ["two", "zwei"]]
    with pytest.raises(DataError, match=r"a\.source:2: a\.target ends here, the file beside it"):
        clean(tmp_path / "2", {"a.source": "one\ntwo\n", "a.target": "eins\n"}, "aligned_files")
    with pytest.raises(DataError, match=r"a\.source has no a\.target beside it"):
        clean(tmp_path / "3", {"a.source": "one"}, "aligned_files")


def test_columns_and_meta(tmp_path: Path) -> None:
    lines = [{"q": "Hi", "a": "Yo", "day": "2026-01-01", "n": 1}, {"q": "Hi", "day": "x"}]
    names = {"prompt": "q", "completion": "a"}
    content = "\n".join(map(json.dumps, lines))
    clean(
        tmp_path, {"a.jsonl": content}, "prompt_completion", columns=names, meta=("day", "absent")
    )
    assert rows(tmp_path) == [{"meta": {"day": "2026-01-01"}, "messages": [ASK, TELL]}]
    (drop,) = read_folder(tmp_path / "ledger/dropped")
    assert drop["detail"] == "no 'a' among the fields 'q', 'day'"


SAMPLES = {
    "alpaca": {"instruction": "Hi", "input": "", "output": "Yo"},
    "sharegpt": {"conversations": [{"from": "human", "value": "Hi"}]},
    "messages": {"messages": [ASK, TELL]},
    "prompt_completion": {"prompt": "Hi", "completion": "Yo"},
    "query_response": {"question": "Hi", "answer": "Yo"},
    "text_label": {"text": "Hi", "label": "a"},
    "reply_tree": {"text": "Hi", "role": "prompter", "replies": []},
}


@pytest.mark.parametrize("format", SAMPLES)
def test_detection(tmp_path: Path, format: str) -> None:
    (tmp_path / "a.jsonl").write_text((json.dumps(SAMPLES[format]) + "\n") * 12 + "broken\n")
    source = Source("data/raw/a.jsonl", "auto", "CC0-1.0")
    assert detect_format("x", source, tmp_path / "a.jsonl", 1000) == format


def test_a_detected_source_is_cleaned(tmp_path: Path) -> None:
    tally = clean(tmp_path, {"a.csv": "question,answer\nHi,Yo\n"}, "auto")
    assert tally.kept == 1
    assert rows(tmp_path) == [{"messages": [ASK, TELL]}]


def test_detection_sees_fields_under_the_names_that_columns_give(tmp_path: Path) -> None:
    names = {"prompt": "frage", "completion": "antwort"}
    row = {"frage": "Hi", "antwort": "Yo"}
    tally = clean(tmp_path, {"a.jsonl": json.dumps(row)}, "auto", columns=names)
    assert tally.kept == 1
    assert rows(tmp_path) == [{"messages": [ASK, TELL]}]
    source = Source("data/raw/a.jsonl", "auto", "CC0-1.0", columns={"prompt": "fragen"})
    (tmp_path / "a.jsonl").write_text(json.dumps(row))
    with pytest.raises(UsageError, match="has the fields 'frage', 'antwort': no format"):
        detect_format("x", source, tmp_path / "a.jsonl", 1000)


def test_unsure_detection_says_what_it_saw(tmp_path: Path) -> None:
    (tmp_path / "a.jsonl").write_text('{"frage": "a", "antwort": "b"}\n')
    source = Source("data/raw/a.jsonl", "auto", "CC0-1.0")
    with pytest.raises(UsageError) as error:
        detect_format("x", source, tmp_path / "a.jsonl", 1000)
    assert str(error.value) == (
        "sources.x.format: auto cannot tell: a.jsonl has the fields 'frage', 'antwort': "
        f"no format; write one of {', '.join(FORMATS)} "
        "(and columns: {ours: theirs} where names differ)"
    )


def test_ids_do_not_change_with_versions(tmp_path: Path) -> None:
    clean(tmp_path, {"a.jsonl": json.dumps({"prompt": "Hi", "completion": "Yo"})}, "auto")
    (row,) = read_folder(tmp_path / "rows")
    assert row["id"] == "7cbdeb405bc5777ff595ba9f432b62b0"
