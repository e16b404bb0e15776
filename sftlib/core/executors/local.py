"""Work on shards in processes of this machine."""

import multiprocessing
import os
import signal
import sys
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from typing import TypeVar

from sftlib.core.errors import UsageError
from sftlib.core.process import die_with_parent

S = TypeVar("S")
R = TypeVar("R")


def in_processes(function: Callable[[S], R], shards: Sequence[S], workers: int) -> list[R]:
    """`[function(shard) for shard in shards]`, by `workers` processes.

    When one of them is killed, most often for want of memory, one process alone does the rest.
    Raises `UsageError`, naming the shard, when that one is killed too.
    """
    done: list[R] = []
    for count in (workers, 1):
        try:
            with processes(count) as pool:
                with interrupts_held():
                    futures = [pool.submit(function, shard) for shard in shards[len(done) :]]
                done.extend(future.result() for future in futures)
            return done
        except BrokenProcessPool:
            if count > 1:
                print(
                    f"warning: one of {count} workers was killed, out of memory most likely; one "
                    "does the rest: lower run.workers in params.yaml",
                    file=sys.stderr,
                )
    raise UsageError(
        f"{shards[len(done)]}: the worker at this shard was killed, even with no other beside it: "
        "out of memory most likely; split the file, or build where there is more memory"
    )


@contextmanager
def processes(count: int) -> Iterator[ProcessPoolExecutor]:
    """A pool of processes that are killed, not waited for, when an error or Ctrl-C ends it.

    None of its futures may be cancelled (`Executor.map` would): its thread fails on those when
    processes are killed, and writes a traceback to the terminal.
    """
    context = multiprocessing.get_context("spawn")
    pool = ProcessPoolExecutor(
        count, mp_context=context, initializer=die_with_parent, initargs=(os.getpid(),)
    )
    try:
        yield pool
    except BaseException:
        for child in multiprocessing.active_children():
            child.kill()
        raise
    finally:
        pool.shutdown()


@contextmanager
def interrupts_held() -> Iterator[None]:
    """Processes started inside never see Ctrl-C: the one that started them ends them."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
