"""Files of one commit of a git repository."""

import os
import shutil
import subprocess
from pathlib import Path, PurePosixPath

from sftlib.core.errors import DataError
from sftlib.fetch.uri import GitUri

FILE_MODES = ("100644", "100755")
# Set inside git hooks; they would turn every command here on the user's own repository.
REPOSITORY_VARIABLES = (
    "GIT_DIR",
    "GIT_WORK_TREE",
    "GIT_INDEX_FILE",
    "GIT_OBJECT_DIRECTORY",
    "GIT_COMMON_DIR",
)


def bring_git(uri: GitUri, target: Path, downloads: Path) -> None:
    """Write the file `uri.path`, or everything below that folder, into the folder `target`.

    Nothing is checked out, so no hook and no filter of the repository runs.
    Raises `DataError` when the commit or path is missing, or a file is a link or submodule.
    """
    store = downloads / "git" / uri.revision
    if not has_commit(store, uri.revision):
        fetch_commit(uri, store)
    listing = git(store, "ls-tree", "-r", "-z", "--full-tree", uri.revision, "--", uri.path)
    entries = [line.split("\t", 1) for line in listing.decode().split("\0") if line]
    if not entries:
        raise DataError(f"{uri.url} has no {uri.path!r} at {uri.revision}")
    for description, name in entries:
        mode, _, blob = description.split()[:3]
        if mode not in FILE_MODES:
            raise DataError(f"{name} in {uri.url} is a symbolic link or a submodule: refused")
        inside = PurePosixPath(name).relative_to(PurePosixPath(uri.path))
        place = target / (inside if inside.parts else PurePosixPath(name).name)
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_bytes(git(store, "cat-file", "blob", blob))


def has_commit(store: Path, revision: str) -> bool:
    if not store.exists():
        return False
    command = ["git", "-C", str(store), "cat-file", "-e", f"{revision}^{{tree}}"]
    return subprocess.run(command, capture_output=True, env=environment()).returncode == 0


def fetch_commit(uri: GitUri, store: Path) -> None:
    """Bring that one commit into the bare repository `store`."""
    shutil.rmtree(store, ignore_errors=True)
    store.mkdir(parents=True)
    git(store, "init", "--quiet", "--bare", ".")
    try:
        git(store, "fetch", "--quiet", "--depth=1", "--no-tags", "--", uri.url, uri.revision)
    except DataError as error:
        shutil.rmtree(store)
        raise DataError(
            f"{uri.url} at {uri.revision} could not be fetched: {error}\n"
            "check the URL and that the commit is pushed"
        ) from None


def git(folder: Path, *arguments: str) -> bytes:
    command = ["git", "-C", str(folder), "-c", "protocol.ext.allow=never", *arguments]
    done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, env=environment())
    if done.returncode:
        raise DataError(done.stderr.decode(errors="replace").strip().splitlines()[-1])
    return done.stdout


def environment() -> dict[str, str]:
    """Never ask for a password, speak English, and leave a repository named by GIT_DIR alone."""
    inherited = {k: v for k, v in os.environ.items() if k not in REPOSITORY_VARIABLES}
    return {**inherited, "GIT_TERMINAL_PROMPT": "0", "LC_ALL": "C"}
