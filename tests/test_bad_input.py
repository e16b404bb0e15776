"""Bad input: each nasty file or row has one outcome, a reason or an error, and none is silent."""

import gzip
import io
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pyarrow
import pyarrow.parquet
import pytest
import zstandard
from conftest import ROOT
from hypothesis import given, settings
from hypothesis import strategies as st
from test_formats import clean, drops, rows

from sftlib.clean import json_list
from sftlib.clean.formats import FORMATS, content_suffix
from sftlib.core.errors import DataError, SftError, UsageError
from sftlib.core.params import load_params
from sftlib.core.tally import Drop

LONG = b"y" * 20_000
GOOD = b'{"prompt": "a", "completion": "b"}\n'
ROW = json.loads(GOOD)
CSV = b"prompt,completion\n"


def parquet(table: Any) -> bytes:
    sink = pyarrow.BufferOutputStream()
    pyarrow.parquet.write_table(table, sink)
    return bytes(sink.getvalue().to_pybytes())


def arrow(table: Any) -> bytes:
    sink = pyarrow.BufferOutputStream()
    with pyarrow.ipc.new_stream(sink, table.schema) as writer:
        writer.write_table(table)
    return bytes(sink.getvalue().to_pybytes())


def texts_of(*values: bytes) -> Any:
    """An array of texts whose bytes are not checked."""
    binary = pyarrow.array(values, pyarrow.binary())
    return pyarrow.StringArray.from_buffers(len(values), *binary.buffers()[1:])


NOT_UTF8 = pyarrow.table({"prompt": texts_of(b"a", b"\xff", b"c"), "completion": ["b"] * 3})
TABLE = pyarrow.table({"prompt": ["a"] * 99, "completion": ["b"] * 99})


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        (b'{"prompt": "a", "prompt": "b", "completion": "c"}', "duplicate_key"),
        (b'{"prompt" :"a","prompt"\t : "b","completion":"c"}', "duplicate_key"),
        (b'{"prompt": {"a": 1, "a": 2}, "completion": "c"}', "duplicate_key"),
        (b'{"prompt": NaN, "completion": "c"}', "broken_json"),
        (b'{"prompt": "a", "completion": -Infinity}', "broken_json"),
        (b'{"prompt": "\\udc00", "completion": "c"}', "broken_json"),
        (b'{"prompt": "\xed\xb0\x80", "completion": "c"}', "not_utf8"),
        (b'{"prompt": "a", "completion": "b"', "broken_json"),
        (b'{"prompt": "a", "completion": "b"} {}', "broken_json"),
        (b"[" * 100_000, "line_too_long"),
        (b"[" * 9_000, "broken_json"),
        (b"[" * 900 + b"]" * 900, "wrong_type"),
        (b'{"a":' * 1010 + b'"\\":"' + b"}" * 1010, "broken_json"),
        (b'{"prompt": "a\\u0000", "completion": "b"}', "nul_character"),
        (b'{"prompt": "a\0", "completion": "b"}', "broken_json"),
        (b"\0", "broken_json"),
        (b'{"prompt": "\xff", "completion": "b"}', "not_utf8"),
        (b"\xef\xbb\xbf" + GOOD.strip(), "broken_json"),
    ],
)
def test_lines(tmp_path: Path, line: bytes, reason: str) -> None:
    clean(tmp_path, {"a.jsonl": GOOD + line + b"\n" + GOOD}, "prompt_completion")
    assert drops(tmp_path) == [("a.jsonl:2", reason)]
    assert len(rows(tmp_path)) == 2


DEEP: Any = []
for _ in range(300):
    DEEP = [DEEP]


@pytest.mark.parametrize(
    ("format", "row", "more"),
    [
        ("messages", {"messages": [{"role": "user", "content": "a"}], "tools": DEEP}, {}),
        ("prompt_completion", {**ROW, "k": DEEP}, {"meta": ("k",)}),
    ],
)
def test_what_could_not_be_written_is_dropped(
    tmp_path: Path, format: str, row: Any, more: Any
) -> None:
    kept = {"messages": [{"role": r, "content": "a"} for r in ("user", "assistant")], **ROW}
    content = "\n".join(map(json.dumps, (row, kept)))
    clean(tmp_path, {"a.jsonl": content}, format, **more)
    assert drops(tmp_path) == [("a.jsonl:1", "wrong_type")]


@pytest.mark.parametrize(
    ("name", "content", "kept", "dropped"),
    [
        ("a.jsonl", b"\xef\xbb\xbf" + GOOD, 1, []),
        ("a.jsonl", GOOD.replace(b"\n", b"\r\n") * 2, 2, []),
        ("a.jsonl", GOOD + b'{"prompt": "a", "compl', 1, [("a.jsonl:2", "broken_json")]),
        ("a.jsonl", GOOD + b"\n \n" + GOOD.strip(), 2, []),
        ("a.json", b"\xef\xbb\xbf[" + GOOD + b",]", 1, [("a.json#2", "broken_json")]),
        ("a.json", b"[" + GOOD + b', {"a": 1, "a": 2}]', 1, [("a.json#2", "duplicate_key")]),
        ("a.json", b'["' + LONG + b'",' + GOOD + b"]", 1, [("a.json#1", "line_too_long")]),
        ("a.csv", b'prompt,completion\na,b\nc,"d\ne,f\n', 1, [("a.csv:4", "broken_quotes")]),
        ("a.csv", b'prompt,completion\na,"b"c\nd,e\n', 1, [("a.csv:2", "broken_quotes")]),
        ("a.csv", CSV + b"a," + LONG + b"\nc,d\n", 1, [("a.csv:2", "line_too_long")]),
        ("a.csv", b"prompt,completion\ra,b\r", 1, []),
        ("a.csv", b"prompt,completion\na\0,b\nc,d\n", 1, [("a.csv:2", "nul_character")]),
        ("a.yaml", b"- &a [*a]\n- {prompt: a, completion: b}", 1, [("a.yaml:1", "line_too_long")]),
        ("a.parquet", parquet(NOT_UTF8), 2, [("a.parquet#2", "not_utf8")]),
    ],
)  # fmt: skip
def test_files_with_faults(
    tmp_path: Path, name: str, content: bytes, kept: int, dropped: list[tuple[str, str]]
) -> None:
    tally = clean(tmp_path, {name: content}, "prompt_completion")
    assert (tally.kept, drops(tmp_path)) == (kept, dropped)


def test_aliases_of_aliases_are_never_written_out(tmp_path: Path) -> None:
    laughs = "".join(f"- &l{n} [{', '.join([f'*l{n - 1}'] * 9)}]\n" for n in range(1, 30))
    content = f"- &l0 [ha]\n{laughs}- {{prompt: a, completion: b}}\n"
    tally = clean(tmp_path, {"a.yaml": content}, "prompt_completion")
    assert (tally.kept, dict(tally.dropped)) == (1, {"wrong_type": 4, "line_too_long": 26})


def test_missing_scores_in_tables_are_no_labels(tmp_path: Path) -> None:
    table = pyarrow.table({"text": ["a", "b", "c"], "label": [float("nan"), float("inf"), 0.5]})
    clean(tmp_path, {"a.parquet": parquet(table)}, "text_label")
    assert drops(tmp_path) == [("a.parquet#1", "wrong_type"), ("a.parquet#2", "wrong_type")]


PACKED = zstandard.compress(GOOD * 99)


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("a.jsonl", GOOD.decode().encode("utf-16"), "the file is UTF-16: convert it to UTF-8"),
        ("a.csv", "a,b\n".encode("utf-16"), "the file is UTF-16: convert it to UTF-8"),
        ("a.json", "[]".encode("utf-16"), "the file is UTF-16: convert it to UTF-8"),
        ("a.jsonl", b"", "holds no rows: every file of it is empty"),
        ("a.jsonl", b"\xef\xbb\xbf\n", "holds no rows: every file of it is empty"),
        ("a.json", b"[ ]", "holds no rows: every file of it is empty"),
        ("a.parquet", b"", "cannot be read as Parquet"),
        ("a.jsonl.gz", gzip.compress(GOOD * 99, mtime=0)[:-20], "the compressed file is damaged"),
        ("a.jsonl.gz", b"junk", "the compressed file is damaged"),
        ("a.jsonl.zst", b"junk", "the compressed file is damaged"),
        ("a.jsonl.zst", PACKED[:9] + b"\xff" * 9 + PACKED[18:], "the compressed file is damaged"),
        ("a.parquet", b"junk", "cannot be read as Parquet"),
        ("a.parquet", parquet(TABLE)[:-9], "cannot be read as Parquet"),
        ("a.arrow", b"junk", "cannot be read as Arrow"),
        ("a.arrow", arrow(TABLE)[:600], "cannot be read as Arrow"),
        ("a.arrow", arrow(NOT_UTF8), "cannot be read as Arrow"),
        ("a.json", b'{"a": 1}', "must be a list of rows, or an object with one list of rows"),
        ("a.json", b'{"a": [1], "b": []}', "must be a list of rows, or an object with one list"),
        ("a.json", GOOD * 2, "a .json file is read as a whole; name it .jsonl if each line"),
        ("a.json", b"[" * 5000, "ends inside its list, in row 1: is it whole?"),
        ("a.json", b"[" + GOOD + b", {", "ends inside its list, in row 2: is it whole?"),
        ("a.json", b'{"x": "' + LONG, "over 10,000 bytes around the list"),
        ("a.yaml", b"a: [", "not YAML"),
        ("a.yaml", b"[" * 5000, "not YAML"),
        ("a.yaml", b'- {prompt: "\\ud800"}', "not YAML"),
        ("a.csv", b"a,\xff\n1,2\n", "the header is not UTF-8: convert the file (iconv)"),
        ("a.csv", b"a,a\n1,2\n", "the header names 'a' twice or leaves a column unnamed"),
        ("a.txt", b"", "this format is read from"),
    ],
)
def test_files_that_cannot_be_read(tmp_path: Path, name: str, content: bytes, message: str) -> None:
    with pytest.raises(DataError) as error:
        clean(tmp_path, {name: content}, "prompt_completion")
    assert message in str(error.value)


@pytest.mark.parametrize("pack", [gzip.compress, zstandard.compress])
def test_bombs_stop_the_build(tmp_path: Path, pack: Any) -> None:
    suffix = "gz" if pack is gzip.compress else "zst"
    with pytest.raises(DataError, match="unpacks to over 200 times its size: a bomb"):
        clean(tmp_path, {f"a.jsonl.{suffix}": pack(b"a" * 120_000_000)}, "prompt_completion")


# Runs alone, so that its memory is its own; zeros and noise keep the ratio below that of a bomb.
LONG_LINE = """
import gzip, os, resource, sys
from pathlib import Path
from test_formats import clean, drops
good = b'{"prompt": "a", "completion": "b"}\\n'
folder = Path("data/raw/x")
folder.mkdir(parents=True)
noise = os.urandom(1 << 14) + bytes((1 << 20) - (1 << 14))
with gzip.open(folder / "a.jsonl.gz", "wb", compresslevel=1) as file:
    file.write(good)
    for _ in range(300):
        file.write(noise.replace(b"\\n", b"\\0"))
    file.write(b"\\n" + good)
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
clean(Path.cwd(), {}, "prompt_completion")
after = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
print(drops(Path.cwd()), (after - before) >> 10)
"""


def test_a_line_of_300_mb_in_a_small_gz_is_never_held(tmp_path: Path) -> None:
    paths = f"{ROOT}:{ROOT / 'tests'}"
    command = [sys.executable, "-c", LONG_LINE]
    done = subprocess.run(
        command, cwd=tmp_path, capture_output=True, text=True, env={"PYTHONPATH": paths}
    )
    found, _, megabytes = done.stdout.strip().rpartition(" ")
    assert found == "[('a.jsonl.gz:2', 'line_too_long')]", done.stderr
    assert int(megabytes) < 30


def test_links_are_refused(tmp_path: Path) -> None:
    (tmp_path / "data/raw/x").mkdir(parents=True)
    (tmp_path / "data/raw/x/a.jsonl").symlink_to("/etc/passwd")
    with pytest.raises(DataError, match=r"data/raw/x/a.jsonl is a symbolic link"):
        clean(tmp_path, {}, "prompt_completion")


def test_a_path_out_of_the_repository_is_refused(tmp_path: Path) -> None:
    text = (ROOT / "params.yaml").read_text()
    path = tmp_path / "params.yaml"
    for place in ("data/raw/../../x", "/etc/passwd", "data/raw"):
        path.write_text(text.replace("data/raw/about.jsonl", place))
        with pytest.raises(UsageError, match=r"params.yaml:\d+: sources.about.path"):
            load_params(path)


# Every format with every kind of file that it reads.
READERS = [
    (format, f"{packed}")
    for format, form in FORMATS.items()
    for suffix in form.suffixes
    for packed in (f"a{suffix}", f"a{suffix}.gz")
]
SEEDS = [GOOD, b"[" + GOOD + b"]", b"prompt,completion\na,b\n", b"- {prompt: a, completion: b}\n"]
SEEDS += [parquet(TABLE), arrow(TABLE), b"a\tB-X\nb\tO\n\n", b"conversations:\n- - a\n  - b\n"]


@st.composite
def damaged(draw: st.DrawFn) -> bytes:
    """Bytes of a good file with some of them changed, cut out or added."""
    data = bytearray(draw(st.sampled_from(SEEDS)))
    for _ in range(draw(st.integers(0, 3))):
        at = draw(st.integers(0, len(data)))
        data[at : at + draw(st.integers(0, 4))] = draw(st.binary(max_size=4))
    return bytes(data)


@settings(max_examples=250, deadline=None)
@given(reader=st.sampled_from(READERS), content=st.binary(max_size=200) | damaged())
def test_no_bytes_crash_a_reader_or_lose_a_row(
    tmp_path_factory: pytest.TempPathFactory, reader: tuple[str, str], content: bytes
) -> None:
    format, name = reader
    root = tmp_path_factory.mktemp("fuzz")
    files = {name: gzip.compress(content) if name.endswith(".gz") else content}
    if content_suffix(Path(name)) == ".source":
        files[name.replace(".source", ".target")] = files[name]
    try:
        tally = clean(root, files, format)
    except SftError as error:
        assert name in str(error) or "sources.x" in str(error) or "holds no rows" in str(error)
        return
    assert tally.rows_in == tally.kept + tally.dropped.total()
    assert tally.kept == len(rows(root))
    assert tally.dropped.total() == len(drops(root))


@settings(max_examples=150, deadline=None)
@given(st.lists(st.binary(max_size=60), max_size=6))
def test_every_line_is_a_row(tmp_path_factory: pytest.TempPathFactory, lines: list[bytes]) -> None:
    body = [line.replace(b"\n", b" ") for line in lines]
    content = GOOD + b"\n".join(body)
    root = tmp_path_factory.mktemp("lines")
    tally = clean(root, {"a.jsonl": content}, "prompt_completion")
    assert tally.rows_in == 1 + sum(bool(line.strip()) for line in body)


VALUES = st.recursive(
    st.none() | st.integers(-9, 9) | st.text('ab"\\,[]{}:é\n'),
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(st.text('a"\\,['), inner, max_size=3)
    ),
    max_leaves=12,
)


@settings(max_examples=200, deadline=None)
@given(values=st.lists(VALUES, max_size=5), size=st.integers(1, 9), indent=st.none() | st.just(1))
def test_a_list_is_split_into_its_rows_wherever_chunks_end(
    values: list[Any], size: int, indent: int | None
) -> None:
    for whole in (values, {"v": {"a": "[x,"}, "data": values, "n": 1}):
        text = json.dumps(whole, ensure_ascii=False, indent=indent).encode()
        split = json_list.Split(Path("a.json"), 10_000)
        chunks = Chunks(text, size)
        found = [row if isinstance(row, Drop) else json.loads(row) for row in split.rows(chunks)]
        split.check_around(len(found))
        assert found == values


class Chunks(io.BytesIO):
    """A stream that gives `most` bytes at a time."""

    def __init__(self, data: bytes, most: int) -> None:
        super().__init__(data)
        self._most = most

    def read(self, size: int | None = -1) -> bytes:
        return super().read(self._most)
