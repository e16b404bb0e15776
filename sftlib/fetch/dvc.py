"""What DVC keeps of one commit of a repository: data or a model that a build of it made."""

import subprocess
import sys
import tempfile
from pathlib import Path, PurePosixPath

from sftlib.core.errors import DataError
from sftlib.fetch.git import environment, place_of
from sftlib.fetch.uri import DvcUri


def bring_dvc(uri: DvcUri, target: Path, downloads: Path) -> None:
    """Write the file `uri.path`, or everything below that folder, into the folder `target`.

    It comes from the repository's cache where the url is a path, else from its default remote.
    Raises `DataError` when neither has it, or the commit or path is missing.
    """
    downloads.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=downloads) as place:
        got = Path(place) / PurePosixPath(uri.path).name
        get(uri, got)
        for entry in sorted(got.iterdir()) if got.is_dir() else [got]:
            entry.rename(target / entry.name)


def get(uri: DvcUri, out: Path) -> None:
    """Run `dvc get` apart from the terminal, so that neither git nor ssh can ask for anything."""
    options = ["--rev", uri.revision, "--out", str(out)]
    done = subprocess.run(
        [sys.executable, "-m", "dvc", "get", *options, "--", place_of(uri.url), uri.path],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        env=environment(),
        start_new_session=True,
    )
    if done.returncode:
        lines = [line for line in done.stderr.splitlines() if line.startswith("ERROR:")]
        reason = lines[0].removeprefix("ERROR: ") if lines else f"exit code {done.returncode}"
        raise DataError(
            f"{uri.path} of {uri.url} at {uri.revision} could not be brought: {reason}\n"
            "check the commit and that its data are in the cache there, or pushed"
        )
