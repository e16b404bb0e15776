"""Bringing files from wheels, git commits and a hub."""

import hashlib
import io
import json
import shutil
import tarfile
import threading
import zipfile
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from conftest import ROOT, commit_all, git, run

from sftlib.base.gguf import convert_gguf, only_gguf
from sftlib.base.layout import check_layout, describe_model
from sftlib.core.errors import DataError, UsageError
from sftlib.fetch.bring import bring

COMMIT = "0123456789abcdef0123456789abcdef01234567"


@pytest.mark.parametrize(
    ("uri", "message"),
    [
        ("package:a/b", "is not of the form package:NAME==VERSION/PATH"),
        ("package:a==1/../b", "has the path '../b', which leaves its root"),
        ("git:/x#y@main", "must name a whole commit, 40 hexadecimal digits, after the last @"),
        (f"git:ext::sh -c x#y@{COMMIT}", "must name an https, ssh or file URL, or a path"),
        (f"git:--upload-pack=x#y@{COMMIT}", "must name an https, ssh or file URL, or a path"),
        ("dvc:/x#y@v1", "must name a whole commit, 40 hexadecimal digits, after the last @"),
        (f"dvc:ext::sh -c x#y@{COMMIT}", "must name an https, ssh or file URL, or a path"),
        (f"dvc:.#.@{COMMIT}", "must name a file or folder of that repository"),
        ("hub:a/b@main", "must name a whole commit, 40 hexadecimal digits, after the last @"),
    ],
)
def test_wrong_uris(tmp_path: Path, uri: str, message: str) -> None:
    with pytest.raises(UsageError) as error:
        bring("fetch.a.uri", uri, "0" * 64, tmp_path / "out", tmp_path)
    assert str(error.value) == f"params.yaml: fetch.a.uri: {uri!r} {message}"


def build_wheel(folder: Path, files: dict[str, str], link: str | None = None) -> str:
    """Write sample-1.0 as a wheel and return its sha256."""
    wheel = folder / "sample-1.0-py3-none-any.whl"
    meta = "Metadata-Version: 2.1\nName: sample\nVersion: 1.0\nRequires-Dist: absent-package\n"
    with zipfile.ZipFile(wheel, "w") as archive:
        for name, text in files.items():
            archive.writestr(name, text)
        if link:
            entry = zipfile.ZipInfo(link)
            entry.external_attr = 0o120777 << 16
            archive.writestr(entry, "/etc/passwd")
        archive.writestr("sample-1.0.dist-info/METADATA", meta)
        archive.writestr("sample-1.0.dist-info/WHEEL", "Wheel-Version: 1.0\nTag: py3-none-any\n")
        archive.writestr("sample-1.0.dist-info/RECORD", "")
    return hashlib.sha256(wheel.read_bytes()).hexdigest()


@pytest.fixture
def wheels(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "wheels"
    folder.mkdir()
    for name in ("PIP_EXTRA_INDEX_URL", "PIP_INDEX_URL"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("PIP_CONFIG_FILE", "/dev/null")
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(folder))
    return folder


def test_a_wheel_is_read_without_its_dependencies(tmp_path: Path, wheels: Path) -> None:
    sha = build_wheel(wheels, {"sample/data/a.txt": "A", "sample/data/b/c.txt": "C", "x.py": "!"})
    bring("k", "package:sample==1.0/sample/data", sha, tmp_path / "out", tmp_path / "d")
    found = sorted(
        p.relative_to(tmp_path / "out").as_posix() for p in (tmp_path / "out").rglob("*")
    )
    assert found == ["a.txt", "b", "b/c.txt"]
    (wheels / "sample-1.0-py3-none-any.whl").unlink()  # from here on from the downloads
    bring("k", "package:sample==1.0/sample/data/a.txt", sha, tmp_path / "one", tmp_path / "d")
    assert (tmp_path / "one/a.txt").read_text() == "A"
    with pytest.raises(DataError, match=r"is sample-1\.0, the uri asks for sample-1\.1"):
        bring("k", "package:sample==1.1/sample/data", sha, tmp_path / "old", tmp_path / "d")
    bring("k", "package:sample==1.0/.", sha, tmp_path / "all", tmp_path / "d")
    assert (tmp_path / "all/x.py").read_text() == "!"
    with pytest.raises(DataError, match="has no 'sample/dat'; near names: sample/data"):
        bring("k", "package:sample==1.0/sample/dat", sha, tmp_path / "no", tmp_path / "d")


def test_another_sha256_and_a_link_are_refused(tmp_path: Path, wheels: Path) -> None:
    sha = build_wheel(wheels, {"sample/a": "A"}, link="sample/link")
    with pytest.raises(DataError) as error:
        bring("k", "package:sample==1.0/sample", "0" * 64, tmp_path / "a", tmp_path / "d")
    assert f"the wheel has sha256 {sha}, params.yaml says {'0' * 64}" in str(error.value)
    with pytest.raises(DataError, match="sample/link in the package is a symbolic link or no"):
        bring("k", "package:sample==1.0/sample", sha, tmp_path / "b", tmp_path / "d")
    with pytest.raises(DataError, match=r"other==1\.0 could not be downloaded"):
        bring("k", "package:other==1.0/x", sha[::-1], tmp_path / "c", tmp_path / "d")
    assert [file.name for file in (tmp_path / "d").iterdir()] == [f"{sha}.whl"]


def build_sdist(folder: Path, files: dict[str, str], link: str | None = None) -> str:
    """Write sample-1.0 as a source distribution and return its sha256."""
    sdist = folder / "sample-1.0.tar.gz"
    with tarfile.open(sdist, "w:gz") as archive:
        for name, text in {"setup.py": "raise SystemExit('it ran')", **files}.items():
            member = tarfile.TarInfo(f"sample-1.0/{name}")
            member.size = len(text.encode())
            archive.addfile(member, io.BytesIO(text.encode()))
        if link:
            member = tarfile.TarInfo(f"sample-1.0/{link}")
            member.type, member.linkname = tarfile.SYMTYPE, "/etc/passwd"
            archive.addfile(member)
    return hashlib.sha256(sdist.read_bytes()).hexdigest()


class Index(BaseHTTPRequestHandler):
    """A simple index of one project, whose files lie in `folder`."""

    folder: Path

    def do_GET(self) -> None:
        names = [file.name for file in self.folder.iterdir()]
        links = "".join(f'<a href="/files/{name}">{name}</a>' for name in names)
        found = {f"/files/{name}": (self.folder / name).read_bytes() for name in names}
        found["/simple/sample/"] = f"<!DOCTYPE html><html><body>{links}</body></html>".encode()
        body = found.get(self.path)
        self.send_response(404 if body is None else 200)
        self.send_header("Content-Type", "text/html" if "simple" in self.path else "text/plain")
        self.end_headers()
        self.wfile.write(body or b"")

    def log_message(self, *arguments: object) -> None:
        pass


@pytest.fixture
def index(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder served as pip's index, on the loopback alone."""
    folder = tmp_path / "index"
    folder.mkdir()
    server = ThreadingHTTPServer(("127.0.0.1", 0), type("Served", (Index,), {"folder": folder}))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    for name in ("PIP_EXTRA_INDEX_URL", "PIP_FIND_LINKS"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("PIP_CONFIG_FILE", "/dev/null")
    monkeypatch.setenv("PIP_INDEX_URL", f"http://127.0.0.1:{server.server_port}/simple/")
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    yield folder
    server.shutdown()


def test_a_source_distribution_is_read_and_its_setup_never_runs(
    tmp_path: Path, index: Path
) -> None:
    sha = build_sdist(index, {"sample/data/a.txt": "A"}, link="sample/link")
    bring("k", "package:sample==1.0/sample/data", sha, tmp_path / "out", tmp_path / "d")
    assert (tmp_path / "out/a.txt").read_text() == "A"
    assert [file.name for file in (tmp_path / "d").iterdir()] == [f"{sha}.tar.gz"]
    with pytest.raises(DataError, match="sample/link in the package is a symbolic link or no"):
        bring("k", "package:sample==1.0/sample", sha, tmp_path / "b", tmp_path / "d")
    with pytest.raises(DataError, match="the source distribution has sha256"):
        bring("k", "package:sample==1.0/sample", "0" * 64, tmp_path / "c", tmp_path / "d")
    with pytest.raises(DataError, match=r"sample==2\.0 could not be downloaded"):
        bring("k", "package:sample==2.0/sample", sha[::-1], tmp_path / "e", tmp_path / "d")
    (tmp_path / "d" / f"{sha}.tar.gz").write_bytes(b"not gzip")
    wrong = hashlib.sha256(b"not gzip").hexdigest()
    (tmp_path / "d" / f"{sha}.tar.gz").rename(tmp_path / "d" / f"{wrong}.tar.gz")
    with pytest.raises(DataError, match=r"sample==1\.0 cannot be read: not a gzip file"):
        bring("k", "package:sample==1.0/sample", wrong, tmp_path / "f", tmp_path / "d")


def test_git(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    mine = tmp_path / "mine"
    mine.mkdir()
    git(mine, "init", "-q")
    origin = tmp_path / "origin"
    (origin / "data/sub").mkdir(parents=True)
    (origin / "data/sub/a.txt").write_text("old")
    git(origin, "init", "-q")
    old = commit_all(origin)
    (origin / "data/sub/a.txt").write_text("new")
    (origin / "link").symlink_to("/etc/passwd")
    new = commit_all(origin)
    monkeypatch.setenv("GIT_DIR", str(mine / ".git"))  # as inside a git hook
    for revision, text in ((old, "old"), (new, "new")):
        uri = f"git:file://{origin}#data@{revision}"
        bring("k", uri, None, tmp_path / text, tmp_path / "d")
        assert (tmp_path / text / "sub/a.txt").read_text() == text
    assert not (mine / ".git/FETCH_HEAD").exists()
    with pytest.raises(DataError, match=r"link in .* is a symbolic link or a submodule: refused"):
        bring("k", f"git:{origin}#link@{new}", None, tmp_path / "x", tmp_path / "d")
    with pytest.raises(DataError, match="has no 'absent' at"):
        bring("k", f"git:{origin}#absent@{new}", None, tmp_path / "y", tmp_path / "d")
    with pytest.raises(DataError, match=f"{COMMIT} could not be fetched: fatal: "):
        bring("k", f"git:{origin}#data@{COMMIT}", None, tmp_path / "z", tmp_path / "d")
    monkeypatch.delenv("GIT_DIR")
    (origin / "link").unlink()
    (origin / "big.bin").write_text("version https://git-lfs.github.com/spec/v1\noid sha256:0\n")
    last = commit_all(origin)
    with pytest.raises(DataError, match=r"big\.bin in .* is a pointer to Git LFS"):
        bring("k", f"git:{origin}#.@{last}", None, tmp_path / "lfs", tmp_path / "d")


def test_dvc(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    origin = tmp_path / "origin"
    (origin / "data/inner").mkdir(parents=True)
    (origin / "data/inner/a.txt").write_text("first")
    git(origin, "init", "-q")
    for command in (["dvc", "init", "-q"], ["dvc", "add", "-q", "data"]):
        assert run(command, origin).returncode == 0
    first = commit_all(origin)
    (origin / "data/inner/a.txt").write_text("second")
    assert run(["dvc", "add", "-q", "data"], origin).returncode == 0
    commit_all(origin)
    monkeypatch.chdir(origin)
    for url, path, file in ((".", "data", "inner/a.txt"), (origin, "data/inner/a.txt", "a.txt")):
        target = tmp_path / file.replace("/", "-")
        bring("k", f"dvc:{url}#{path}@{first}", None, target, tmp_path / "d")
        assert [p for p in target.rglob("*") if p.is_file()] == [target / file]
        assert (target / file).read_text() == "first"
    assert not list((tmp_path / "d").iterdir())
    with pytest.raises(
        DataError, match=rf"^data of \. at {COMMIT} could not be brought: .*unknown"
    ):
        bring("k", f"dvc:.#data@{COMMIT}", None, tmp_path / "x", tmp_path / "d")
    shutil.rmtree(origin / ".dvc/cache")
    with pytest.raises(DataError, match="check the commit and that its data are in the cache"):
        bring("k", f"dvc:.#data@{first}", None, tmp_path / "y", tmp_path / "d")


def test_a_whole_repository_at_a_relative_path(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    origin = tmp_path / "origin"
    origin.mkdir()
    (origin / "a.txt").write_text("A")
    git(origin, "init", "-q")
    first = commit_all(origin)
    (origin / "a.txt").write_text("B")
    commit_all(origin)
    monkeypatch.chdir(tmp_path)
    # A server of the old protocol gives out tips of branches alone: all of them are fetched.
    for name, value in (("COUNT", "1"), ("KEY_0", "protocol.version"), ("VALUE_0", "0")):
        monkeypatch.setenv(f"GIT_CONFIG_{name}", value)
    bring("k", f"git:./origin#.@{first}", None, tmp_path / "out", tmp_path / "d")
    assert [(p.name, p.read_text()) for p in (tmp_path / "out").iterdir()] == [("a.txt", "A")]


FILES = {"config.json": b"{}", "data/a.jsonl": b'{"a": 1}\n', "pytorch_model.bin": b"pickle"}


class Hub(BaseHTTPRequestHandler):
    """The routes of a model hub that its client asks for one repository."""

    def do_HEAD(self) -> None:
        self.answer(body=False)

    def do_GET(self) -> None:
        self.answer(body=True)

    def answer(self, body: bool) -> None:
        path = self.path.split("?")[0]
        for kind, prefix in (("models", ""), ("datasets", "/datasets")):
            if path == f"/api/{kind}/org/name/revision/{COMMIT}":
                siblings = [{"rfilename": name} for name in FILES]
                info = {"id": "org/name", "sha": COMMIT, "siblings": siblings}
                return self.reply(json.dumps(info).encode(), body)
            if path == f"/api/{kind}/org/name/tree/{COMMIT}":
                tree = [
                    {"type": "file", "path": n, "size": len(c), "oid": "0" * 40}
                    for n, c in FILES.items()
                ]
                return self.reply(json.dumps(tree).encode(), body)
            start = f"{prefix}/org/name/resolve/{COMMIT}/"
            if path.startswith(start) and path[len(start) :] in FILES:
                return self.reply(FILES[path[len(start) :]], body)
        self.send_error(404)
        return None

    def reply(self, content: bytes, body: bool) -> None:
        self.send_response(200)
        self.send_header("Content-Length", str(len(content)))
        self.send_header("ETag", f'"{hashlib.sha1(content).hexdigest()}"')
        self.send_header("X-Repo-Commit", COMMIT)
        self.end_headers()
        if body:
            self.wfile.write(content)

    def log_message(self, *arguments: object) -> None:
        pass


BRING = (
    "import sys; from pathlib import Path; from sftlib.fetch.bring import bring\n"
    "bring('k', sys.argv[1], None, Path(sys.argv[2]), Path(sys.argv[3]))"
)


@pytest.mark.parametrize("name", ["org/name", "datasets/org/name"])
def test_hub(tmp_path: Path, name: str) -> None:
    server = ThreadingHTTPServer(("127.0.0.1", 0), Hub)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    hub = {"HF_ENDPOINT": f"http://127.0.0.1:{server.server_port}", "HF_HUB_OFFLINE": "0"}
    uri, places = f"hub:{name}@{COMMIT}", [str(tmp_path / "out"), str(tmp_path / "d")]
    try:
        done = run(["python", "-c", BRING, uri, *places], ROOT, HF_HOME=str(tmp_path), **hub)
    finally:
        server.shutdown()
        server.server_close()
    assert done.returncode == 0, done.stderr
    files = {p for p in (tmp_path / "out").rglob("*") if p.is_file()}
    assert {p.relative_to(tmp_path / "out").as_posix() for p in files} == {
        "config.json",
        "data/a.jsonl",
    }
    assert not any(p.is_symlink() for p in files)


def test_hub_out_of_reach(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=f"the model a/b at {COMMIT} could not be downloaded"):
        bring("k", f"hub:a/b@{COMMIT}", None, tmp_path / "out", tmp_path / "d")


def test_layout(tiny_model: Path, tmp_path: Path) -> None:
    check_layout(tiny_model)
    assert describe_model(tiny_model)["model_type"] == "llama"
    with pytest.raises(DataError, match=r"base: config.json is missing"):
        check_layout(tmp_path)
    for file in tiny_model.iterdir():
        (tmp_path / file.name).write_bytes(file.read_bytes())
    (tmp_path / "x.bin").write_bytes(b"")
    with pytest.raises(DataError, match=r"base: x.bin may hold pickled code"):
        check_layout(tmp_path)
    (tmp_path / "x.bin").unlink()
    (tmp_path / "config.json").write_text('{"auto_map": {}}')
    with pytest.raises(DataError, match=r"config.json names code of its own \(auto_map\)"):
        check_layout(tmp_path)


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("config.json", b"[1]", "base: config.json must be a JSON object"),
        ("config.json", b"{", "base: config.json is not JSON"),
        ("config.json", b'{"model_type": "vit"}', "base: config.json has no 'vocab_size'"),
        ("model.safetensors", b"x", "base: model.safetensors is not a safetensors file"),
        ("model.safetensors", None, r"model.safetensors has \d+ bytes, its header says \d+: cut"),
    ],
)
def test_damaged_models(
    tiny_model: Path, tmp_path: Path, name: str, content: bytes | None, message: str
) -> None:
    shutil.copytree(tiny_model, tmp_path, dirs_exist_ok=True)
    whole = (tmp_path / name).read_bytes()
    (tmp_path / name).write_bytes(whole[:-4] if content is None else content)
    with pytest.raises(DataError, match=message):
        describe_model(tmp_path)


def test_gguf_files_that_are_none(tmp_path: Path) -> None:
    assert only_gguf(tmp_path) is None
    (tmp_path / "a.gguf").write_bytes(b"GGUF junk")
    with pytest.raises(DataError, match=r"base: a\.gguf cannot be converted from GGUF"):
        convert_gguf(only_gguf(tmp_path), tmp_path / "out")
    (tmp_path / "b.gguf").touch()
    with pytest.raises(DataError, match=r"several GGUF files: name one of a\.gguf, b\.gguf"):
        only_gguf(tmp_path)
