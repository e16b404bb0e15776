"""Which processes work on a search: lock files tell those that live from those that died.

A lock of the kernel ends with its process, on any machine that shares the folder; no clock decides.
"""

import fcntl
import os
import socket
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def exclusive(lock: Path) -> Iterator[None]:
    """Hold the lock file, after waiting for whoever holds it."""
    lock.parent.mkdir(parents=True, exist_ok=True)
    handle = os.open(lock, os.O_RDWR | os.O_CREAT, 0o644)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield
    finally:
        os.close(handle)


@contextmanager
def driving(folder: Path) -> Iterator[str]:
    """The name of this driver, which lives as long as the context or its process."""
    name = f"{socket.gethostname()}-{os.getpid()}-{uuid.uuid4().hex[:8]}"
    lock = folder / f"{name}.lock"
    with exclusive(lock):
        try:
            yield name
        finally:
            lock.unlink()


def is_locked(lock: Path) -> bool:
    """Whether a living process holds a lock file; yes where the disk cannot tell."""
    try:
        handle = os.open(lock, os.O_RDWR)
    except FileNotFoundError:
        return False
    try:
        fcntl.flock(handle, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except OSError:
        return True
    finally:
        os.close(handle)
    return False


def is_alive(folder: Path, driver: str | None) -> bool:
    """Whether a driver still works on its search."""
    return is_locked(folder / f"{driver}.lock")
