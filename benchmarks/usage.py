"""What a command takes: it runs as a process of its own, with all that it starts."""

import os
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

LINES_OF_A_FAILURE = 15


class CommandFailed(Exception):
    """A command ended with another code than 0; the message is the end of what it printed."""


@dataclass(frozen=True)
class Usage:
    """Seconds on the wall; CPU seconds, user and system, of a command and of all its children; the
    most memory of one of these processes.
    """

    seconds: float
    cpu_seconds: float
    peak_mb: float


def module_command(name: str, *arguments: object) -> list[str]:
    """`python -m benchmarks.NAME` with arguments, as a process, so that this one stays small."""
    return [sys.executable, "-m", f"benchmarks.{name}", *map(str, arguments)]


def usage_of(command: Sequence[str | Path], folder: Path, log: Path, **variables: str) -> Usage:
    """Run `command` in `folder`; what it prints goes to `log`. Raises `CommandFailed`.

    By wait4(2). A process inherits the peak memory of the one that starts it, so whoever calls this
    must stay small: rows are read, made and judged in processes of their own.
    """
    log.parent.mkdir(parents=True, exist_ok=True)
    started = time.perf_counter()
    with log.open("wb") as out:
        environment = {**os.environ, **variables}
        process = subprocess.Popen(command, cwd=folder, stdout=out, stderr=out, env=environment)
        _, status, used = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        lines = log.read_text(errors="replace").splitlines()[-LINES_OF_A_FAILURE:]
        raise CommandFailed("\n  ".join([f"{command[-1]} and before: {log}", *lines]))
    seconds = time.perf_counter() - started
    return Usage(seconds, used.ru_utime + used.ru_stime, used.ru_maxrss / 1024)


def median_usage(usages: Sequence[Usage]) -> Usage:
    """That in the middle by CPU seconds: other work on the machine disturbs single runs."""
    return sorted(usages, key=lambda usage: usage.cpu_seconds)[len(usages) // 2]


def total_usage(usages: Sequence[Usage]) -> Usage:
    """Of commands one after the other."""
    return Usage(
        sum(usage.seconds for usage in usages),
        sum(usage.cpu_seconds for usage in usages),
        max(usage.peak_mb for usage in usages),
    )
