"""Containers: one row read out of each kind of file, and nasty files."""

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


GOOD = b'{"prompt": "a", "completion": "b"}\n'


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("a.jsonl", GOOD.decode().encode("utf-16"), "the file is UTF-16: convert it to UTF-8"),
        ("a.csv", "a,b\n".encode("utf-16"), "the file is UTF-16: convert it to UTF-8"),
        ("a.jsonl.gz", gzip.compress(GOOD * 99)[:-20], "the compressed file is damaged"),
        ("a.jsonl.gz", b"junk", "the compressed file is damaged"),
        ("a.jsonl.zst", b"junk", "the compressed file is damaged"),
        ("a.parquet", b"junk", "cannot be read as Parquet"),
        ("a.arrow", b"junk", "cannot be read as Arrow"),
        ("a.json", b'{"a": 1}', "must be a list of rows, or an object with one list of rows"),
        ("a.json", GOOD * 2, "a .json file is read as a whole; name it .jsonl if each line"),
        ("a.json", b"[" * 5000, "ends inside its list, in row 1: is it whole?"),
        ("a.yaml", b"a: [", "not YAML"),
        ("a.yaml", b"[" * 5000, "not YAML"),
        ("a.jsonl", b"", "holds no rows"),
        ("a.txt", b"", "this format is read from"),
    ],
)
def test_files_that_cannot_be_read(tmp_path: Path, name: str, content: bytes, message: str) -> None:
    with pytest.raises(DataError) as error:
        clean(tmp_path, {name: content}, "prompt_completion")
    assert message in str(error.value)


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        (b'{"prompt": "a", "prompt": "b", "completion": "c"}', "duplicate_key"),
        (b'{"prompt": {"a": 1, "a": 2}, "completion": "c"}', "duplicate_key"),
        (b'{"prompt": NaN, "completion": "c"}', "broken_json"),
        (b'{"prompt": "\\udc00", "completion": "c"}', "broken_json"),
        (b'{"prompt": "a", "completion": "b"', "broken_json"),
        (b"[" * 100_000, "line_too_long"),
        (b"[" * 9_000, "broken_json"),
        (b'{"prompt": "a\\u0000", "completion": "b"}', "nul_character"),
        (b'{"prompt": "\xff", "completion": "b"}', "not_utf8"),
    ],
)
def test_nasty_lines(tmp_path: Path, line: bytes, reason: str) -> None:
    clean(tmp_path, {"a.jsonl": GOOD + line + b"\n" + GOOD}, "prompt_completion")
    assert drops(tmp_path) == [("a.jsonl:2", reason)]
    assert len(rows(tmp_path)) == 2


def test_colons_in_texts_are_no_keys(tmp_path: Path) -> None:
    row = {"prompt": 'is {"a": 1, "a": 2} JSON?', "completion": '"b": yes'}
    clean(tmp_path, {"a.jsonl": lines([row])}, "prompt_completion")
    assert len(rows(tmp_path)) == 1


def test_bombs_stop_the_build(tmp_path: Path) -> None:
    bomb = gzip.compress(b"a" * 300_000_000, compresslevel=1)
    with pytest.raises(DataError, match="unpacks to over 200 times its size: a bomb"):
        clean(tmp_path, {"a.jsonl.gz": GOOD and bomb}, "prompt_completion")


def test_a_long_line_is_never_held(tmp_path: Path) -> None:
    import tracemalloc

    content = GOOD + b"b" * 30_000_000 + b"\n" + GOOD
    (tmp_path / "data/raw/x").mkdir(parents=True)
    (tmp_path / "data/raw/x/a.jsonl").write_bytes(content)
    tracemalloc.start()
    clean(tmp_path, {}, "prompt_completion")
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 8_000_000
    assert drops(tmp_path) == [("a.jsonl:2", "line_too_long")]


def test_two_files_of_one_shard(tmp_path: Path) -> None:
    files = {"a.csv": CSV, "a.csv.jsonl": lines(FIELDS)}
    with pytest.raises(DataError, match=r"a\.csv\.jsonl and .*a\.csv would become one shard"):
        clean(tmp_path, files, "prompt_completion")


READERS = {
    "a.jsonl": "prompt_completion",
    "a.csv": "prompt_completion",
    "a.json": "prompt_completion",
    "a.yaml": "prompt_completion",
    "a.conll": "conll",
    "a.conllu": "conllu",
    "a.txt": "lines_by_class",
    "a.parquet": "prompt_completion",
    "a.arrow": "prompt_completion",
    "a.jsonl.gz": "prompt_completion",
}


@settings(max_examples=60, deadline=None)
@given(name=st.sampled_from(sorted(READERS)), content=st.binary(max_size=200))
def test_no_bytes_crash_a_reader(tmp_path_factory, name: str, content: bytes) -> None:
    root = tmp_path_factory.mktemp("fuzz")
    try:
        tally = clean(root, {name: content}, READERS[name])
    except DataError:
        return
    assert tally.rows_in == tally.kept + tally.dropped.total()


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
