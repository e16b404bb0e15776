"""Progress of a long stage: a live bar on a terminal, a plain line every ten seconds elsewhere."""

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

SECONDS_BETWEEN_LINES = 10


@contextmanager
def progress(title: str, total: int) -> Iterator[Callable[[int, str], None]]:
    """Give a function `show(done, note)` to call after every unit of work."""
    if sys.stderr.isatty():
        with live_bar(title, total) as show:
            yield show
    else:
        yield plain_lines(title, total)


@contextmanager
def live_bar(title: str, total: int) -> Iterator[Callable[[int, str], None]]:
    from rich.console import Console
    from rich.progress import (
        BarColumn,
        MofNCompleteColumn,
        Progress,
        TextColumn,
        TimeRemainingColumn,
    )

    columns = (
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
        TextColumn("{task.fields[note]}", markup=False),
    )
    with Progress(*columns, console=Console(stderr=True)) as bar:
        task = bar.add_task(title, total=total, note="")
        yield lambda done, note: bar.update(task, completed=done, note=note)


def plain_lines(
    title: str, total: int, clock: Callable[[], float] = time.monotonic
) -> Callable[[int, str], None]:
    started = last = clock()

    def show(done: int, note: str) -> None:
        nonlocal last
        now = clock()
        if now - last >= SECONDS_BETWEEN_LINES or done == total:
            last = now
            line = f"{title}: {done}/{total}, {now - started:.0f} s, {note}"
            print(line, file=sys.stderr, flush=True)

    return show
