"""`package:`: one wheel, checked by its hash, unpacked and never installed."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from wheels import build_wheel, copy_project, use_index

from sftlib.core.errors import DataError
from sftlib.fetch import package
from sftlib.fetch.bring import bring

FILES = {
    "corpus/__init__.py": b"raise SystemExit('imported')\n",
    "corpus/data/en/a.yml": b"a: 1\n",
    "corpus/data/en/deep/b.yml": b"b: 2\n",
    "corpus/data/english.yml": b"c: 3\n",
}
URI = "package:corpus==1.0/corpus/data/en"


@pytest.fixture
def index(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    use_index(monkeypatch, tmp_path / "index")
    return tmp_path / "index"


def fetched(folder: Path) -> dict[str, bytes]:
    files = (path for path in folder.rglob("*") if path.is_file())
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in files}


def error_of(uri: str, sha256: str, tmp_path: Path) -> str:
    with pytest.raises(DataError) as caught:
        bring("fetch.a", uri, sha256, tmp_path / "out", tmp_path / "downloads")
    return str(caught.value)


def test_folder_is_unpacked_and_the_wheel_kept(index: Path, tmp_path: Path) -> None:
    sha256 = build_wheel(index, FILES)
    downloads = tmp_path / "downloads"
    bring("fetch.a", URI, sha256, tmp_path / "out", downloads)
    assert fetched(tmp_path / "out") == {"a.yml": b"a: 1\n", "deep/b.yml": b"b: 2\n"}
    assert [path.name for path in downloads.iterdir()] == [f"{sha256}.whl"]
    next(index.iterdir()).unlink()  # what is kept needs no index
    bring("fetch.a", URI, sha256, tmp_path / "again", downloads)
    assert fetched(tmp_path / "again") == fetched(tmp_path / "out")


def test_file_keeps_its_name_in_a_folder(index: Path, tmp_path: Path) -> None:
    sha256 = build_wheel(index, FILES)
    bring("fetch.a", f"{URI}/deep/b.yml", sha256, tmp_path / "out", tmp_path / "downloads")
    assert fetched(tmp_path / "out") == {"b.yml": b"b: 2\n"}


def test_another_hash(index: Path, tmp_path: Path) -> None:
    sha256 = build_wheel(index, FILES)
    assert error_of(URI, "0" * 64, tmp_path) == (
        f"fetch.a: the wheel of corpus==1.0 has sha256 {sha256}, but params.yaml says {'0' * 64}: "
        "find out why it changed, or set fetch.a.sha256 to the former"
    )
    assert list((tmp_path / "downloads").iterdir()) == []


def test_corrupt_kept_wheel_is_downloaded_again(index: Path, tmp_path: Path) -> None:
    sha256 = build_wheel(index, FILES)
    kept = tmp_path / "downloads" / f"{sha256}.whl"
    kept.parent.mkdir()
    kept.write_bytes(b"cut short")
    bring("fetch.a", URI, sha256, tmp_path / "out", tmp_path / "downloads")
    assert kept.read_bytes() == (index / "corpus-1.0-py3-none-any.whl").read_bytes()


def test_new_version_with_the_old_hash(index: Path, tmp_path: Path) -> None:
    old = build_wheel(index, FILES)
    bring("fetch.a", URI, old, tmp_path / "out", tmp_path / "downloads")
    new = build_wheel(index, {**FILES, "corpus/new.txt": b""}, version="1.1")
    with pytest.raises(DataError, match=f"corpus==1.1 has sha256 {new}, but params.yaml says"):
        bring("a", URI.replace("1.0", "1.1"), old, tmp_path / "new", tmp_path / "downloads")


def test_unknown_version(index: Path, tmp_path: Path) -> None:
    build_wheel(index, FILES)
    assert error_of(URI.replace("1.0", "2.0"), "0" * 64, tmp_path) == (
        "fetch.a: pip could not download a wheel of corpus==2.0: No matching distribution found "
        "for corpus==2.0: check the name, the version and pip's index (`pip config list`)"
    )


@pytest.mark.parametrize(
    ("path", "hint"),
    [
        ("corpus/data/em", "did you mean corpus/data/en or corpus/data?"),
        ("zzz", "it holds corpus, corpus-1.0.dist-info"),
    ],
)
def test_unknown_path(index: Path, tmp_path: Path, path: str, hint: str) -> None:
    sha256 = build_wheel(index, FILES)
    message = error_of(f"package:corpus==1.0/{path}", sha256, tmp_path)
    assert message == f"fetch.a: the wheel of corpus==1.0 has no {path}; {hint}"


@pytest.mark.parametrize("name", ["corpus/data/en/../../../x", "/x", "corpus\\x"])
def test_name_that_leaves_the_folder(index: Path, tmp_path: Path, name: str) -> None:
    sha256 = build_wheel(index, {**FILES, name: b"evil"})
    assert error_of(URI, sha256, tmp_path) == (
        f"fetch.a: the wheel of corpus==1.0 holds {name!r}, which leaves its folder: do not use it"
    )


def test_symbolic_link(index: Path, tmp_path: Path) -> None:
    name = "corpus/data/en/link"
    sha256 = build_wheel(index, {**FILES, name: b"/etc/passwd"}, link=name)
    assert error_of(URI, sha256, tmp_path) == (
        f"fetch.a: the wheel of corpus==1.0 holds the symbolic link {name!r}: do not use it"
    )


def test_too_large(index: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(package, "MAX_UNPACKED_BYTES", 9)
    sha256 = build_wheel(index, FILES)
    assert error_of(URI, sha256, tmp_path) == "fetch.a: unpacks to more than 9 bytes: refused"


def run_fetch(root: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "stages.fetch", *arguments]
    environment = {**os.environ, "PYTHONPATH": str(root)}
    return subprocess.run(command, cwd=root, env=environment, capture_output=True, text=True)


def test_stage(index: Path, tmp_path: Path) -> None:
    sha256 = build_wheel(index, FILES)
    entry = f"fetch:\n  talk: {{uri: '{URI}', sha256: {sha256}}}\n"
    root = copy_project(tmp_path / "project", "fetch", entry)
    done = run_fetch(root, "talk")
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    assert fetched(root / "data/raw/talk") == {"a.yml": b"a: 1\n", "deep/b.yml": b"b: 2\n"}
    metrics = json.loads((root / "metrics/fetch/talk.json").read_text())
    assert metrics == {"files": 2, "bytes": 10}
    wrong = run_fetch(root, "tak")
    assert wrong.returncode == 2
    assert wrong.stderr == (
        "error: python -m stages.fetch KEY: 'tak' is not in fetch of params.yaml: talk; "
        "did you mean 'talk'?\n"
    )
