"""The memo of shards: what did not change is not made again, and what is damaged is."""

import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from conftest import ROOT

from sftlib.clean import source as cleaning
from sftlib.clean.source import Job, basis, clean_file, clean_source
from sftlib.core import memo as memos
from sftlib.core.memo import Memo, forget, memoised
from sftlib.core.params import Source, load_params
from sftlib.core.tally import Tally

PARAMS = load_params(ROOT / "params.yaml")
ALONE = replace(PARAMS.run, workers=1)


class Maker:
    """Writes the upper-case text to one of two outputs, and counts how often it is asked."""

    def __init__(self, root: Path) -> None:
        self.root, self.memo, self.made = root, Memo(root / "memo", "basis"), 0
        self.input, self.outputs = root / "in", [root / "out/a", root / "out/b"]

    def make(self, outputs: Sequence[Path]) -> dict[str, Any]:
        self.made += 1
        outputs[1].parent.mkdir(exist_ok=True)
        outputs[1].write_bytes(self.input.read_bytes().upper())
        return {"rows": 3}

    def ask(self, text: str = "text", name: str = "x", **changes: Any) -> dict[str, bytes]:
        self.input.write_text(text)
        for output in self.outputs:
            output.unlink(missing_ok=True)
        memo = replace(self.memo, **changes)
        result = memoised(memo, name, [self.input], self.outputs, self.make)
        assert result == {"rows": 3}
        return {path.name: path.read_bytes() for path in (self.root / "out").iterdir()}


@pytest.fixture
def maker(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Maker:
    monkeypatch.setattr(memos, "MIN_BYTES", 1)
    return Maker(tmp_path)


def test_the_same_is_made_once(maker: Maker) -> None:
    for _ in range(3):
        assert maker.ask() == {"b": b"TEXT"}
    assert maker.made == 1


def test_all_that_decides_is_in_the_key(maker: Maker) -> None:
    maker.ask()
    assert maker.ask("other") == {"b": b"OTHER"}
    maker.ask(name="y")
    maker.ask(basis="other code")
    assert maker.made == 4


@pytest.mark.parametrize("file", ["1", "manifest"])
@pytest.mark.parametrize("damage", [b"", b"TEXTS", None])
def test_what_is_damaged_is_made_again(maker: Maker, file: str, damage: bytes | None) -> None:
    maker.ask()
    (stored,) = maker.memo.folder.glob(f"*/{file}")
    if damage is None:
        stored.unlink()
    else:
        stored.write_bytes(damage)
    for _ in range(2):
        assert maker.ask() == {"b": b"TEXT"}
    assert maker.made == 2


def test_a_changed_count_in_the_manifest_is_damage(maker: Maker) -> None:
    maker.ask()
    (stored,) = maker.memo.folder.glob("*/manifest")
    stored.write_bytes(stored.read_bytes().replace(b'"rows":3', b'"rows":4'))
    maker.ask()
    assert maker.made == 2


def test_an_error_leaves_nothing(maker: Maker) -> None:
    def fail(outputs: Sequence[Path]) -> dict[str, Any]:
        outputs[0].write_bytes(b"half")
        raise ValueError

    maker.input.write_text("text")
    with pytest.raises(ValueError):
        memoised(maker.memo, "x", [maker.input], maker.outputs, fail)
    assert [path.name for path in maker.memo.folder.rglob("*")] == ["unfinished"]
    assert not maker.outputs[0].exists()


def test_small_shards_are_not_remembered(tmp_path: Path) -> None:
    maker = Maker(tmp_path)
    maker.ask("a" * (memos.MIN_BYTES - 1))
    assert not maker.memo.folder.exists()
    maker.ask("a" * memos.MIN_BYTES)
    assert maker.memo.folder.exists()


def test_builds_at_the_same_time(maker: Maker) -> None:
    """Eight threads ask for one shard, each with outputs of its own."""
    maker.input.write_text("text")

    def ask(number: int) -> bytes:
        outputs = [maker.root / f"{number}/a", maker.root / f"{number}/b"]
        memoised(maker.memo, "x", [maker.input], outputs, maker.make)
        return outputs[1].read_bytes()

    with ThreadPoolExecutor(8) as pool:
        assert set(pool.map(ask, range(64))) == {b"TEXT"}
    assert len(list(maker.memo.folder.glob("*/manifest"))) == 1


def test_what_was_used_longest_ago_is_forgotten(maker: Maker) -> None:
    texts = ["first", "second", "third"]
    for age, text in zip((300, 200, 100), texts, strict=True):
        before = set(maker.memo.folder.glob("*"))
        maker.ask(text)
        for entry in set(maker.memo.folder.glob("*")) - before:
            os.utime(entry, (entry.stat().st_mtime - age,) * 2)
    size = sum(file.stat().st_size for file in maker.memo.folder.rglob("*") if file.is_file())
    maker.ask("first")  # used just now
    forget(maker.memo.folder, size - 1)
    for text in texts:
        maker.ask(text)
    assert maker.made == 4  # the second one again
    forget(maker.memo.folder, 0)
    assert [path.name for path in maker.memo.folder.iterdir()] == ["unfinished"]


def test_what_killed_builds_left_is_removed_after_a_day(maker: Maker) -> None:
    for name, age in (("new", 0), ("old", memos.LEFT_BEHIND_SECONDS + 60)):
        left = maker.memo.folder / "unfinished" / name
        left.mkdir(parents=True)
        os.utime(left, (left.stat().st_mtime - age,) * 2)
    forget(maker.memo.folder, 1)
    assert [path.name for path in maker.memo.folder.glob("unfinished/*")] == ["new"]


# The clean stage: sixteen files above the limit.


class Project:
    """Sixteen files; counts those that are cleaned."""

    def __init__(self, root: Path) -> None:
        self.root, self.raw, self.cleaned = root, root / "data/raw/x", list[str]()
        self.raw.mkdir(parents=True)
        for number in range(16):
            self.write(number, "a" * 70_000)

    def write(self, number: int, text: str) -> None:
        row = f'{{"prompt": "{number}", "completion": "{text}"}}\n'
        (self.raw / f"{number:02}.jsonl").write_text(f"{row}{{}}\n")

    def build(self, name: str, run: Any = ALONE) -> tuple[Tally, dict[str, bytes]]:
        out = self.root / name
        tally = clean_source(job_of(self.root, out), run)
        files = sorted(path for path in out.rglob("*") if path.is_file())
        return tally, {file.relative_to(out).as_posix(): file.read_bytes() for file in files}

    def clean(self, job: Job, file: str, outputs: Sequence[Path]) -> dict[str, Any]:
        self.cleaned.append(Path(file).name)
        return clean_file(job, file, outputs)


@pytest.fixture
def sixteen(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Project:
    project = Project(tmp_path)
    monkeypatch.setattr(cleaning, "clean_file", project.clean)
    return project


def job_of(root: Path, out: Path, **changes: Any) -> Job:
    source = Source("data/raw/x", "prompt_completion", "CC0-1.0")
    clean = replace(PARAMS.clean, max_dropped=1.0, **changes)
    return Job("x", source, clean, root, out / "rows", out / "ledger")


def test_one_changed_file_of_sixteen_is_cleaned_alone(sixteen: Project) -> None:
    first = sixteen.build("first")
    assert len(sixteen.cleaned) == 16
    assert sixteen.build("second") == first
    assert len(sixteen.cleaned) == 16
    sixteen.write(7, "b" * 70_000)
    third = sixteen.build("third")
    assert sixteen.cleaned[16:] == ["07.jsonl"]
    assert third == sixteen.build("anew", replace(ALONE, memo_mb=0))
    assert len(sixteen.cleaned) == 33
    assert not list((sixteen.root / ".sft/memo").glob("*/manifest"))  # 0 forgets all


def test_what_decides_on_the_rows_of_a_file(tmp_path: Path) -> None:
    code = tmp_path / "sftlib/clean/x.py"
    code.parent.mkdir(parents=True)
    code.write_text("old")
    job = job_of(tmp_path, tmp_path)
    licence = replace(job, source=replace(job.source, licence="MIT", role="test", priority=1))
    limits = replace(job, clean=replace(job.clean, min_kept=0.5, max_dropped=0.5))
    assert basis(job) == basis(licence) == basis(limits)
    others = [
        replace(job, name="y"),
        replace(job, source=replace(job.source, format="messages")),
        replace(job, source=replace(job.source, meta=("date",))),
        replace(job, clean=replace(job.clean, operators=None)),
        replace(job, clean=replace(job.clean, max_line_bytes=9)),
    ]
    found = [basis(job), *map(basis, others)]
    code.write_text("new")
    assert len({*found, basis(job)}) == 7


def test_a_file_that_is_read_along_counts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(memos, "MIN_BYTES", 1)
    raw = tmp_path / "data/raw/x"
    raw.mkdir(parents=True)
    (raw / "a.source").write_text("hello\n")
    answers = []
    for answer in ("bonjour", "salut"):
        (raw / "a.target").write_text(f"{answer}\n")
        job = job_of(tmp_path, tmp_path / answer)
        job = replace(job, source=replace(job.source, format="aligned_files"))
        clean_source(job, ALONE)
        answers.append((job.rows / "a.source.jsonl").read_text().count(answer))
    assert answers == [1, 1]
