"""Files of one commit of a git repository."""

import os
import re
import subprocess
import tempfile
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
REMOTE = re.compile(r"\w+://.+|[\w.-]+@[\w.-]+:.+")
LFS_POINTER = b"version https://git-lfs.github.com/spec/"


def bring_git(uri: GitUri, target: Path, downloads: Path) -> None:
    """Write the file `uri.path`, or everything below that folder, into the folder `target`.

    Nothing is checked out, so no hook and no filter of the repository runs.
    Raises `DataError` when the commit or path is missing, or a file is a link, a submodule or a
    pointer to Git LFS.
    """
    store = downloads / "git" / uri.revision
    if not store.exists():
        fetch_commit(uri, store)
    path = [uri.path] if uri.path else []
    listing = git(store, "ls-tree", "-r", "-z", "--full-tree", uri.revision, "--", *path)
    entries = [line.split("\t", 1) for line in listing.decode().split("\0") if line]
    if not entries:
        raise DataError(f"{uri.url} has no {uri.path!r} at {uri.revision}")
    for description, name in entries:
        mode, _, blob = description.split()[:3]
        if mode not in FILE_MODES:
            raise DataError(f"{name} in {uri.url} is a symbolic link or a submodule: refused")
        inside = PurePosixPath(name).relative_to(PurePosixPath(uri.path))
        content = git(store, "cat-file", "blob", blob)
        if content.startswith(LFS_POINTER):
            raise DataError(
                f"{name} in {uri.url} is a pointer to Git LFS, its content lies elsewhere: "
                "bring it with hub: or package:, or add the file itself with `dvc add`"
            )
        place = target / (inside if inside.parts else PurePosixPath(name).name)
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_bytes(content)


def fetch_commit(uri: GitUri, store: Path) -> None:
    """Bring that one commit into the new bare repository `store`."""
    store.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=store.parent) as place:
        new = Path(place) / "new"
        new.mkdir()
        git(new, "init", "--quiet", "--bare", ".")
        try:
            fetch_into(new, uri)
        except DataError as error:
            raise DataError(
                f"{uri.url} at {uri.revision} could not be fetched: {error}\n"
                "check the URL and that the commit is pushed"
            ) from None
        if not store.exists():  # else another stage brought it meanwhile
            new.rename(store)


def fetch_into(folder: Path, uri: GitUri) -> None:
    """Fetch the commit alone, or all branches and tags where the server gives out only those."""
    url = place_of(uri.url)
    try:
        git(folder, "fetch", "--quiet", "--depth=1", "--no-tags", "--", url, uri.revision)
    except DataError:
        git(
            folder,
            "fetch",
            "--quiet",
            "--",
            url,
            "+refs/heads/*:refs/heads/*",
            "+refs/tags/*:refs/tags/*",
        )
        git(folder, "cat-file", "-e", f"{uri.revision}^{{tree}}")


def place_of(url: str) -> str:
    """A URL as it is, a path from the root of the file system."""
    return url if REMOTE.fullmatch(url) else str(Path(url).expanduser().resolve())


def git(folder: Path, *arguments: str) -> bytes:
    """Run git in `folder`, apart from the terminal: neither it nor ssh can ask for anything."""
    command = ["git", "-C", str(folder), "-c", "protocol.ext.allow=never", *arguments]
    done = subprocess.run(
        command,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        env=environment(),
        start_new_session=True,
    )
    if done.returncode:
        lines = done.stderr.decode(errors="replace").strip().splitlines()
        fatal = [line for line in lines if line.startswith(("fatal:", "error:"))]
        raise DataError(next(iter(fatal or lines), f"git ended with code {done.returncode}"))
    return done.stdout


def environment() -> dict[str, str]:
    """Never ask for a password, speak English, and leave a repository named by GIT_DIR alone."""
    inherited = {k: v for k, v in os.environ.items() if k not in REPOSITORY_VARIABLES}
    return {**inherited, "GIT_TERMINAL_PROMPT": "0", "LC_ALL": "C"}
