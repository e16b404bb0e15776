"""What a build remembers outside its outputs, in .sft/: checkpoints, downloads, locks, timings.

Git and DVC ignore the folder. Experiments run in temporary copies of the repository below
.dvc/tmp, which go away; their state lies in the repository that they were copied from.
"""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import orjson

from sftlib.core.errors import UsageError


def state_folder(root: Path) -> Path:
    """The .sft folder of the main repository that `root` is, or is a temporary copy of."""
    parts = root.resolve().parts
    for i in range(len(parts) - 1, 0, -1):
        if parts[i : i + 3] == (".dvc", "tmp", "exps"):
            return Path(*parts[:i]) / ".sft"
    return root / ".sft"


@contextmanager
def locked(path: Path, what: str) -> Iterator[None]:
    """Hold the lock file `path`; raises `UsageError` when another process holds it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    handle = os.open(path, os.O_RDWR | os.O_CREAT, 0o644)
    try:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            owner = os.pread(handle, 20, 0).decode().strip() or "unknown"
            raise UsageError(
                f"{what} is in use by process {owner}: wait for it to end, or stop it"
            ) from None
        os.ftruncate(handle, 0)
        os.pwrite(handle, str(os.getpid()).encode(), 0)
        yield
    finally:
        os.close(handle)


def append_timing(root: Path, timing: dict[str, Any]) -> None:
    """Add a line to .sft/timings.jsonl: durations never stand in an output."""
    folder = state_folder(root)
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "timings.jsonl").open("ab") as stream:
        stream.write(orjson.dumps(timing, option=orjson.OPT_APPEND_NEWLINE))
