"""The commands of docs/versions.md over real servers, from one clone to another."""

import getpass
import re
from contextlib import ExitStack
from pathlib import Path

import pytest
from conftest import (
    ROOT,
    change_params,
    commit_all,
    git,
    questions,
    repro,
    run,
    write_rows,
)
from ruamel.yaml import YAML
from servers import PASSWORD, SSHD, USER, http_server, s3_emulator, ssh_server, webdav_server
from test_pipeline import tree_hash

from sftlib.core.rows import read_folder

pytestmark = pytest.mark.slow
DOC = (ROOT / "docs/versions.md").read_text()


def commands(start: str, **words: object) -> list[list[str]]:
    """The commands that follow the line beginning with `start`, up to text that is none."""
    after = DOC[DOC.index(f"\n{start}") + 1 :].split("\n\n    ", 1)[1]
    block = re.split(r"\n\n(?! )", after)[0]
    found = [line.split() for line in block.splitlines() if line.strip().startswith("dvc ")]
    return [[filled(word, words) for word in command] for command in found]


def filled(word: str, words: dict[str, object]) -> str:
    for name, value in words.items():
        word = word.replace(name, str(value))
    return word


def do(project: Path, *lines: list[str]) -> None:
    for command in lines:
        done = run(command, project)
        assert done.returncode == 0, (command, done.stdout, done.stderr)


def fresh_clone(origin: Path, place: Path) -> Path:
    """A clone with a cache of its own, which is empty."""
    git(place.parent, "clone", "-q", str(origin), place.name)
    for key, value in (("user.name", "Test"), ("user.email", "test@localhost")):
        git(place, "config", key, value)
    return place


def assert_pulled(fresh: Path, built: Path) -> None:
    for name in ("data/curated", "data/tokenized", "models/final"):
        assert tree_hash(fresh / name) == tree_hash(built / name)
    assert repro(fresh) == []


@pytest.fixture
def stored(clone: Path, tmp_path: Path) -> Path:
    """A remote on the disk that holds what the clone holds."""
    store = tmp_path / "store"
    do(clone, *commands("A folder", FOLDER=store))
    return store


def test_a_folder_and_http_to_read_it(
    clone: Path, stored: Path, built: Path, tmp_path: Path
) -> None:
    fresh = fresh_clone(clone, tmp_path / "fresh")
    with http_server(stored.parent) as host:
        do(fresh, *commands("HTTP", HOST=host, FOLDER=stored.name))
    assert_pulled(fresh, built)


SECTIONS = {"ssh": "SSH.", "webdav": "WebDAV.", "s3": "S3."}


@pytest.mark.parametrize("kind", SECTIONS)
def test_push_here_and_pull_there(kind: str, clone: Path, built: Path, tmp_path: Path) -> None:
    if kind == "ssh" and not SSHD.is_file():
        pytest.skip("needs sshd, of Debian's package openssh-server")
    with ExitStack() as stack:
        lines = commands(SECTIONS[kind], **serve(kind, tmp_path, stack))
        do(clone, *lines)
        fresh = fresh_clone(clone, tmp_path / "fresh")
        do(fresh, *lines[:-1], ["dvc", "pull", "--remote", "store"])
    assert_pulled(fresh, built)


def serve(kind: str, place: Path, stack: ExitStack) -> dict[str, object]:
    """Start a server until the stack closes; gives what the words of the page stand for."""
    served = place / "served"
    (served / "store").mkdir(parents=True)
    words: dict[str, object] = {"USER": USER, "PASSWORD": PASSWORD, "FOLDER": "store"}
    if kind == "webdav":
        return words | {"HOST": stack.enter_context(webdav_server(served))}
    if kind == "s3":
        return words | {"HOST": stack.enter_context(s3_emulator("bucket")), "BUCKET": "bucket"}
    host, key = stack.enter_context(ssh_server(place))
    folder = str(served / "store").lstrip("/")
    return {"HOST": host, "KEYFILE": key, "USER": getpass.getuser(), "FOLDER": folder}


def test_a_rebuild_brings_only_what_it_needs(clone: Path, stored: Path, tmp_path: Path) -> None:
    fresh = fresh_clone(clone, tmp_path / "fresh")
    do(fresh, ["dvc", "remote", "add", "--local", "--default", "store", str(stored)])
    with (fresh / "sftlib/score/text.py").open("a") as stream:
        stream.write("# an edit\n")
    ((_, *arguments),) = (line[1:] for line in commands("Only what a rebuild"))
    assert repro(fresh, *arguments) == ["evaluate"]
    assert (fresh / "models/tuned").is_dir()
    assert not (fresh / "data/curated").exists()


@pytest.fixture
def pair(clone: Path, stored: Path, tmp_path: Path) -> tuple[Path, Path]:
    """Two clones of a bare repository, whose default remote is the same."""
    git(tmp_path, "clone", "-q", "--bare", str(clone), "hub")
    git(clone, "remote", "set-url", "origin", str(tmp_path / "hub"))
    fresh = fresh_clone(tmp_path / "hub", tmp_path / "fresh")
    for project in (clone, fresh):
        place = ["--local", "--default", "store", str(stored)]
        do(project, ["dvc", "remote", "add", *place])
    return clone, fresh


def test_results_of_other_params_travel_as_experiments(pair: tuple[Path, Path]) -> None:
    here, there = pair
    build, push, pull, apply = commands("Results of other params")
    do(here, build, push)
    do(there, pull, apply, ["dvc", "pull"])
    assert "max_new_tokens: 5" in (there / "params.yaml").read_text()
    assert repro(there) == []
    assert tree_hash(there / "data/evaluated") == tree_hash(here / "data/evaluated")


def test_the_run_cache_does_not_bring_metrics(pair: tuple[Path, Path]) -> None:
    here, there = pair
    for project in pair:
        change_params(project, split={"test": 0.23})
    assert repro(here, "split") == ["split"]
    do(here, ["dvc", "push", "--run-cache"])
    do(there, ["dvc", "pull", "--run-cache", "--allow-missing"])
    assert repro(there, "split") == ["split"]


def test_clones_share_a_cache(clone: Path, built: Path, tmp_path: Path) -> None:
    second = fresh_clone(clone, tmp_path / "second")
    do(second, *commands("## One cache", CACHE=built / ".dvc/cache"))
    assert repro(second) == []
    change_params(clone, split={"test": 0.26})
    assert repro(clone, "split") == ["split"]
    change_params(second, split={"test": 0.26})
    assert repro(second, "split") == []  # what one builds the others need not


@pytest.fixture
def registry(clone: Path) -> Path:
    """A repository with data/curated in two versions, v1 and v2."""
    git(clone, "tag", "v1")
    write_rows(clone / "data/raw/a.jsonl", questions(0, 90))
    repro(clone, "curate")
    commit_all(clone)
    git(clone, "tag", "v2")
    return clone


def ids(folder: Path) -> set[str]:
    return {row["id"] for row in read_folder(folder)}


def test_data_of_a_registry_by_revision(registry: Path, built: Path, tmp_path: Path) -> None:
    user, scratch = fresh_clone(built, tmp_path / "user"), tmp_path / "scratch"
    do(user, *commands("REPO is a URL", REPO=registry))
    assert tree_hash(user / "data/raw/shared") == tree_hash(built / "data/curated")
    assert git(registry, "rev-parse", "v1") in (user / "data/raw/shared.dvc").read_text()
    change_params(user, **block("    sources:\n      shared"))
    assert sorted(repro(user, "curate")) == ["clean@a", "clean@shared", "curate"]
    assert ids(user / "data/curated") == ids(built / "data/curated")
    do(user, *commands("`data/raw/shared.dvc` holds", REPO=registry))
    assert tree_hash(user / "data/raw/shared") == tree_hash(registry / "data/curated")
    assert repro(user, "curate") == ["clean@shared", "curate"]
    assert ids(user / "data/curated") == ids(registry / "data/curated")
    do(user, *commands("To look at", REPO=registry, SCRATCH=scratch))
    assert tree_hash(scratch) == tree_hash(built / "data/curated")


def block(start: str, **words: str) -> dict[str, dict[str, object]]:
    """The params that the page shows from a line on."""
    text = DOC[DOC.index(start) :].split("\n\n")[0]
    return YAML(typ="safe").load(filled(text, dict(words)))


def test_data_of_a_registry_as_a_param(registry: Path, built: Path, tmp_path: Path) -> None:
    user = fresh_clone(built, tmp_path / "user")
    for tag in ("v1", "v2"):
        commit = git(registry, "rev-parse", tag)
        change_params(user, **block("    fetch:\n", REPO=str(registry), COMMIT=commit))
        assert repro(user, "fetch@shared") == ["fetch@shared"]
    assert tree_hash(user / "data/raw/shared") == tree_hash(registry / "data/curated")


def test_a_file_that_git_tracks_there(registry: Path, built: Path, tmp_path: Path) -> None:
    user = fresh_clone(built, tmp_path / "user")
    source = ["data/raw/a.jsonl", "--out", "data/raw/b.jsonl"]
    do(user, ["dvc", "import", "--rev", "v1", str(registry), *source])
    assert (user / "data/raw/b.jsonl").read_bytes() == (built / "data/raw/a.jsonl").read_bytes()


def test_large_data_go_straight_to_a_remote(clone: Path, stored: Path, tmp_path: Path) -> None:
    write_rows(tmp_path / "big/rows.jsonl", questions(200, 300))
    straight, pull = commands("Straight to a remote", BIG=tmp_path / "big")
    do(clone, straight)
    assert not (clone / "data/raw/big").exists()
    do(clone, pull)
    assert tree_hash(clone / "data/raw/big") == tree_hash(tmp_path / "big")


def test_the_project_names_no_remote_of_its_own() -> None:
    assert "remote" not in (ROOT / ".dvc/config").read_text()
