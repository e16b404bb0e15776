"""`git:`: the files of one commit of a real repository, as they are in its objects."""

import os
import subprocess
from pathlib import Path

import pytest

from sftlib.core.errors import DataError
from sftlib.fetch.bring import bring

IDENTITY = ("-c", "user.name=A", "-c", "user.email=a@example.org", "-c", "core.autocrlf=false")


def git(repository: Path, *arguments: str) -> str:
    done = subprocess.run(
        ["git", *IDENTITY, *arguments], cwd=repository, capture_output=True, text=True, check=True
    )
    return done.stdout.strip()


def commit(repository: Path) -> str:
    git(repository, "add", "--all")
    git(repository, "commit", "--quiet", "--message", "change")
    return git(repository, "rev-parse", "HEAD")


@pytest.fixture
def origin(tmp_path: Path) -> Path:
    """A repository with data/en/{a.txt,deep/b.txt}, attributes that a checkout would apply."""
    repository = tmp_path / "origin"
    (repository / "data/en/deep").mkdir(parents=True)
    git(repository, "init", "--quiet")
    (repository / "data/en/a.txt").write_bytes(b"one\r\n$Format:%H$\n")
    (repository / "data/en/deep/b.txt").write_bytes(b"two\n")
    (repository / "data/english.txt").write_bytes(b"three\n")
    (repository / ".gitattributes").write_text("a.txt export-subst\nb.txt export-ignore\n")
    return repository


def fetched(folder: Path) -> dict[str, bytes]:
    files = (path for path in folder.rglob("*") if path.is_file())
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in files}


def bring_from(url: str, path: str, revision: str, tmp_path: Path) -> dict[str, bytes]:
    out, downloads = tmp_path / "out", tmp_path / "downloads"
    bring("fetch.a", f"git:{url}#{path}@{revision}", None, out, downloads)
    assert list(downloads.iterdir()) == []
    return fetched(out)


def error_of(url: str, path: str, revision: str, tmp_path: Path) -> str:
    with pytest.raises(DataError) as caught:
        bring_from(url, path, revision, tmp_path)
    return str(caught.value)


FOLDER = {"a.txt": b"one\r\n$Format:%H$\n", "deep/b.txt": b"two\n"}


def test_folder_of_an_older_commit(origin: Path, tmp_path: Path) -> None:
    older = commit(origin)
    (origin / "data/en/a.txt").write_bytes(b"newer\n")
    commit(origin)
    assert bring_from(str(origin), "data/en", older, tmp_path) == FOLDER


def test_file_over_the_file_protocol(origin: Path, tmp_path: Path) -> None:
    revision = commit(origin)
    files = bring_from(f"file://{origin}", "data/en/deep/b.txt", revision, tmp_path)
    assert files == {"b.txt": b"two\n"}


def test_whole_tree_of_a_relative_path(
    origin: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    revision = commit(origin)
    monkeypatch.chdir(tmp_path)
    names = sorted(bring_from("origin", ".", revision, tmp_path))
    assert names == [".gitattributes", "data/en/a.txt", "data/en/deep/b.txt", "data/english.txt"]


def test_inherited_repository_is_ignored(
    origin: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    revision = commit(origin)
    monkeypatch.setenv("GIT_DIR", str(tmp_path / "elsewhere"))
    assert bring_from(str(origin), "data/en", revision, tmp_path) == FOLDER
    assert not (tmp_path / "elsewhere").exists()


def test_server_that_hands_out_branches_only(
    origin: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    older = commit(origin)
    (origin / "data/en/a.txt").write_bytes(b"newer\n")
    commit(origin)
    monkeypatch.setenv("GIT_CONFIG_COUNT", "1")
    monkeypatch.setenv("GIT_CONFIG_KEY_0", "protocol.version")
    monkeypatch.setenv("GIT_CONFIG_VALUE_0", "0")
    assert bring_from(f"file://{origin}", "data/en", older, tmp_path) == FOLDER


def test_symbolic_link(origin: Path, tmp_path: Path) -> None:
    os.symlink("/etc/passwd", origin / "data/en/link")
    revision = commit(origin)
    expected = "fetch.a: 'data/en/link' in git is a symbolic link: name a path without one"
    assert error_of(str(origin), "data/en", revision, tmp_path) == expected


def test_path_that_is_a_symbolic_link(origin: Path, tmp_path: Path) -> None:
    os.symlink("en", origin / "data/link")
    revision = commit(origin)
    expected = "fetch.a: 'data/link' in git is a symbolic link: name a path without one"
    assert error_of(str(origin), "data/link", revision, tmp_path) == expected


def test_submodule(origin: Path, tmp_path: Path) -> None:
    head = commit(origin)
    git(origin, "update-index", "--add", "--cacheinfo", f"160000,{head},data/en/module")
    git(origin, "commit", "--quiet", "--message", "module")
    revision = git(origin, "rev-parse", "HEAD")
    expected = "fetch.a: 'data/en/module' in git is a submodule: name a path without one"
    assert error_of(str(origin), "data/en", revision, tmp_path) == expected


def test_pointer_of_large_file_storage(origin: Path, tmp_path: Path) -> None:
    (origin / "data/en/a.txt").write_text("version https://git-lfs.example.org/spec/v1\n")
    revision = commit(origin)
    assert error_of(str(origin), "data/en", revision, tmp_path) == (
        "fetch.a: 'a.txt' is a pointer of Git LFS, not the file: fetch it from a hub or a package"
    )


def test_unknown_path(origin: Path, tmp_path: Path) -> None:
    revision = commit(origin)
    expected = f"fetch.a: commit {revision} has no 'data/fr': check the path"
    assert error_of(str(origin), "data/fr", revision, tmp_path) == expected


def test_unknown_commit(origin: Path, tmp_path: Path) -> None:
    commit(origin)
    assert error_of(str(origin), "data", "1" * 40, tmp_path) == (
        f"fetch.a: {origin} has no commit {'1' * 40}: push it there, or pin another one"
    )


def test_unknown_repository(tmp_path: Path) -> None:
    gone = tmp_path / "gone"
    assert error_of(str(gone), "data", "1" * 40, tmp_path) == (
        f"fetch.a: {gone} cannot be fetched: check the URL and your access to it "
        f"('{gone}' does not appear to be a git repository)"
    )
