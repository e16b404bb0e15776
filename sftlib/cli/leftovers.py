"""What killed and finished builds left below .sft and .dvc/tmp, and nobody needs any more."""

import shutil
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from sftlib.cli.check import size_of
from sftlib.cli.drivers import is_locked
from sftlib.core.state import state_folder


@dataclass(frozen=True)
class Leftover:
    """A file or folder that may go."""

    what: str
    path: Path
    bytes: int


def find_leftovers(root: Path, days: float) -> list[Leftover]:
    """Temporary files whose process is gone, and state that was not touched for some days."""
    state, before = state_folder(root), time.time() - days * 86_400
    found = [("temporary files of a stage", path) for path in dead_scratch(state)]
    found += [("copy of an experiment", path) for path in dead_copies(root)]
    for what, paths in (
        ("checkpoint of an unfinished run", unlocked(state / "checkpoints")),
        ("memo of a shard", iter_folder(state / "memo")),
        ("history of an unfinished run", iter_folder(state / "running")),
    ):
        found += [(what, path) for path in paths if last_touched(path) < before]
    return [Leftover(what, path, size_of(path)) for what, path in found]


def dead_scratch(state: Path) -> Iterator[Path]:
    """Scratch folders of stages that do not run: a stage holds its lock while it does."""
    for path in iter_folder(state / "tmp"):
        if not is_locked(state / "locks" / path.name):
            yield path


def unlocked(checkpoints: Path) -> Iterator[Path]:
    for path in iter_folder(checkpoints):
        if path.is_dir() and not is_locked(path.with_suffix(".lock")):
            yield path


def dead_copies(root: Path) -> list[Path]:
    """Copies in which killed experiments ran."""
    busy = working_folders()
    return [path for path in copies(root) if not any(f.is_relative_to(path) for f in busy)]


def running_copies(root: Path) -> list[Path]:
    busy = working_folders()
    return [path for path in copies(root) if any(f.is_relative_to(path) for f in busy)]


def copies(root: Path) -> list[Path]:
    """The temporary folders of `dvc exp run --temp` and of the queue."""
    place = root.resolve() / ".dvc/tmp/exps"
    return sorted(path for pattern in ("tmp*", "standalone/tmp*") for path in place.glob(pattern))


def working_folders() -> list[Path]:
    """The working directories of all processes that this user may look at."""
    found = []
    for link in Path("/proc").glob("[0-9]*/cwd"):
        try:
            found.append(link.readlink())
        except OSError:  # it ended, or is another user's
            continue
    return found


def iter_folder(folder: Path) -> list[Path]:
    return sorted(folder.iterdir()) if folder.is_dir() else []


def last_touched(path: Path) -> float:
    """The time of the newest thing in a folder, or of a file."""
    inside = list(path.rglob("*")) if path.is_dir() else []
    return max(float(p.stat().st_mtime) for p in (path, *inside))


def remove(leftover: Leftover) -> None:
    if leftover.path.is_dir():
        shutil.rmtree(leftover.path)
    else:
        leftover.path.unlink(missing_ok=True)
