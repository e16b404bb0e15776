"""Containers: one row read out of each kind of file."""

import gzip
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow
import pyarrow.feather
import pyarrow.parquet
import pytest
import zstandard
from hypothesis import given, settings
from hypothesis import strategies as st
from test_formats import clean, drops, rows

from sftlib.core.errors import DataError
from sftlib.core.rows import read_folder

FIELDS = [{"prompt": "2+2?", "completion": "4"}, {"prompt": "001", "completion": "NA"}]
TABLE = pyarrow.Table.from_pylist(FIELDS)


def lines(rows: list[Any]) -> bytes:
    return b"".join(json.dumps(row).encode() + b"\n" for row in rows)


def written(write: Callable[[Any], None]) -> bytes:
    sink = pyarrow.BufferOutputStream()
    write(sink)
    return sink.getvalue().to_pybytes()


def arrow_stream(sink: Any) -> None:
    with pyarrow.ipc.new_stream(sink, TABLE.schema) as writer:
        writer.write_table(TABLE)


CSV = b"prompt,completion\n2+2?,4\n001,NA\n"
CONTAINERS = {
    "a.jsonl": lines(FIELDS),
    "a.ndjson": lines(FIELDS),
    "a.json": json.dumps({"version": 1, "data": FIELDS}).encode(),
    "b.json": json.dumps(FIELDS).encode(),
    "a.csv": CSV,
    "a.tsv": CSV.replace(b",", b"\t"),
    "a.yaml": b"- {prompt: '2+2?', completion: 4}\n- {prompt: 001, completion: NA}\n",
    "a.parquet": written(lambda sink: pyarrow.parquet.write_table(TABLE, sink)),
    "a.feather": written(lambda sink: pyarrow.feather.write_feather(TABLE, sink)),
    "a.arrow": written(arrow_stream),
    "a.jsonl.gz": gzip.compress(lines(FIELDS)),
    "a.csv.zst": zstandard.compress(CSV),
    "a.json.gz": gzip.compress(json.dumps(FIELDS).encode()),
}
MARKS = {".json": "#", ".parquet": "#", ".feather": "#", ".arrow": "#"}


@pytest.mark.parametrize("name", CONTAINERS)
def test_containers_hold_texts_as_written(tmp_path: Path, name: str) -> None:
    clean(tmp_path, {name: CONTAINERS[name]}, "prompt_completion")
    assert [[m["content"] for m in row["messages"]] for row in rows(tmp_path)] == [
        ["2+2?", "4"],
        ["001", "NA"],
    ]
    (first, second) = [entry["at"] for entry in read_folder(tmp_path / "ledger/kept")]
    mark = MARKS.get(f".{name.split('.')[1]}", ":")
    start = 2 if ".csv" in name or ".tsv" in name else 1
    assert (first, second) == tuple(f"data/raw/x/{name}{mark}{n}" for n in (start, start + 1))


def test_a_datasets_folder(tmp_path: Path) -> None:
    import datasets

    split = datasets.Dataset.from_list(FIELDS)
    datasets.DatasetDict({"train": split, "test": split}).save_to_disk(tmp_path / "data/raw/x")
    tally = clean(tmp_path, {}, "auto")
    assert tally.kept == 4
    places = [entry["at"] for entry in read_folder(tmp_path / "ledger/kept")]
    assert places[0].startswith("data/raw/x/test/data-00000-of-00001.arrow#1")


def test_csv_rows_of_another_width_and_quoted_lines(tmp_path: Path) -> None:
    content = b'\xef\xbb\xbfprompt,completion\r\n"a\nb",c\r\nd\r\ne,f,g\r\nh,\xff\r\n'
    clean(tmp_path, {"a.csv": content}, "prompt_completion")
    assert [row["messages"][0]["content"] for row in rows(tmp_path)] == ["a\nb"]
    assert drops(tmp_path) == [
        ("a.csv:4", "ragged_row"),
        ("a.csv:5", "ragged_row"),
        ("a.csv:6", "not_utf8"),
    ]
    with pytest.raises(DataError, match="the header names 'a' twice or leaves a column unnamed"):
        clean(tmp_path / "2", {"a.csv": "a,a\n1,2\n"}, "prompt_completion")


def test_yaml_scalars_are_texts(tmp_path: Path) -> None:
    content = "- {prompt: 'ok?', completion: no}\n- {prompt: x, completion: [1]}\n"
    clean(tmp_path, {"a.yaml": content}, "prompt_completion")
    assert [row["messages"][1]["content"] for row in rows(tmp_path)] == ["no"]
    assert drops(tmp_path) == [("a.yaml:2", "wrong_type")]


def test_colons_in_texts_are_no_keys(tmp_path: Path) -> None:
    row = {"prompt": 'is {"a": 1, "a": 2} JSON?', "completion": '"b": yes'}
    clean(tmp_path, {"a.jsonl": lines([row])}, "prompt_completion")
    assert len(rows(tmp_path)) == 1


def test_two_files_of_one_shard(tmp_path: Path) -> None:
    files = {"a.csv": CSV, "a.csv.jsonl": lines(FIELDS)}
    with pytest.raises(DataError, match=r"a\.csv\.jsonl and .*a\.csv would become one shard"):
        clean(tmp_path, files, "prompt_completion")


@settings(max_examples=60, deadline=None)
@given(st.lists(st.lists(st.text('a,"\n\0é', max_size=4), min_size=2, max_size=2), max_size=5))
def test_csv_gives_back_what_was_written(tmp_path_factory, table: list[list[str]]) -> None:
    import csv
    import io

    out = io.StringIO(newline="")
    csv.writer(out).writerows([["prompt", "completion"], ["first", "row"], *table])
    root = tmp_path_factory.mktemp("csv")
    tally = clean(root, {"a.csv": out.getvalue()}, "prompt_completion")
    assert tally.rows_in == 1 + len(table)
