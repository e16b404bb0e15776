"""Work on shards by tasks of Ray, on this machine or on a cluster; Ray is imported when asked for.

Ray places and repeats tasks, no more: files are named and written by us, and results put in order.
"""

import logging
import os
import secrets
import socket
import tempfile
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from types import ModuleType
from typing import Any, TypeVar

from sftlib.core.environment import check_environment
from sftlib.core.errors import SftError, UsageError

S = TypeVar("S")
R = TypeVar("R")

# How often a shard whose worker or node was lost is begun again.
RETRIES = 3
# Read by Ray when it is imported. Without the second one, it repeats for ever what has no memory.
SETTINGS = {"RAY_USAGE_STATS_ENABLED": "0", "RAY_task_oom_retries": str(RETRIES)}
# On this machine alone: the loopback address and a secret, for who reaches Ray runs code by it.
ALONE = {"RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER": "0", "RAY_AUTH_MODE": "token"}


def on_ray(
    function: Callable[[S], R], shards: Sequence[S], workers: int, address: str | None
) -> list[R]:
    """`[function(shard) for shard in shards]`, by at most `workers` tasks at a time.

    `address` (host:port) is that of a cluster whose nodes see this folder at the same path; None
    starts Ray on this machine, and ends it. An error meant for a person is raised as it was in the
    worker. Raises `UsageError` when Ray is not installed, no cluster answers, or the workers of a
    shard are lost again and again.
    """
    with settings(SETTINGS if address else {**SETTINGS, **ALONE, **new_token()}):
        ray = import_ray()
        with connected(ray, workers, address):
            return gather(ray, starter(ray, function), shards, workers)


def starter(ray: ModuleType, function: Callable[[S], R]) -> Callable[[S], Any]:
    """What starts the task of a shard, on the node that has the least to do."""
    task = ray.remote(num_cpus=1, max_retries=RETRIES, scheduling_strategy="SPREAD")(attempt)
    root = Path.cwd()
    return lambda shard: task.remote(function, shard, root)


def attempt(function: Callable[[S], R], shard: S, root: Path) -> R:
    """What a worker runs."""
    check_worker(root)
    return function(shard)


@cache
def check_worker(root: Path) -> None:
    """Raise `UsageError` unless this node sees the project and has its environment."""
    try:
        check_environment(root)
    except UsageError as error:
        raise UsageError(f"on the node {socket.gethostname()}: {error}") from None


def gather(
    ray: ModuleType, start: Callable[[S], Any], shards: Sequence[S], workers: int
) -> list[Any]:
    """The results in the order of `shards`; of several errors, raise that of the first shard."""
    queue = deque(range(len(shards)))
    running: dict[Any, int] = {}
    results: dict[int, Any] = {}
    errors: dict[int, Exception] = {}
    while queue or running:
        while queue and len(running) < workers:
            number = queue.popleft()
            running[start(shards[number])] = number
        (ended,), _ = ray.wait(list(running), num_returns=1)
        number = running.pop(ended)
        try:
            results[number] = ray.get(ended)
        except ray.exceptions.RayError as error:
            errors[number] = error
            queue.clear()
    if errors:
        first = min(errors)
        raise explained(ray, errors[first], shards[first]) from None
    return [results[number] for number in range(len(shards))]


def explained(ray: ModuleType, error: Exception, shard: object) -> Exception:
    """What the worker raised, or what it means that it raised nothing."""
    if isinstance(error, ray.exceptions.RayTaskError):
        cause = getattr(error, "cause", None)
        return cause if isinstance(cause, SftError) else error
    return UsageError(
        f"{shard}: Ray lost {1 + RETRIES} workers at this shard ({type(error).__name__}), out of "
        "memory most likely: lower run.workers in params.yaml, split the file, or give the nodes "
        "more memory"
    )


def new_token() -> dict[str, str]:
    return {"RAY_AUTH_TOKEN": secrets.token_hex(32)}


@contextmanager
def settings(values: dict[str, str]) -> Iterator[None]:
    """Environment variables for Ray and its processes, where the user has set none."""
    ours = {name: value for name, value in values.items() if name not in os.environ}
    os.environ.update(ours)
    try:
        yield
    finally:
        for name in ours:
            os.environ.pop(name, None)


def import_ray() -> ModuleType:
    try:
        import ray
    except ImportError:
        raise UsageError(
            "run.executor: ray needs the extra 'ray': "
            "pip install -c constraints/data.txt -c constraints/ray.txt -e '.[ray]'"
        ) from None
    return ray


@contextmanager
def connected(ray: ModuleType, workers: int, address: str | None) -> Iterator[None]:
    """A connection to the cluster, or a cluster of this machine alone that ends with it."""
    quiet = {"log_to_driver": False, "logging_level": logging.ERROR}
    with tempfile.TemporaryDirectory(prefix="sft-ray-", ignore_cleanup_errors=True) as folder:
        if address is None:
            ray.init(
                address="local",
                num_cpus=workers,
                include_dashboard=False,
                object_store_memory=100 << 20,  # results are counts, no data
                _temp_dir=folder,
                **quiet,
            )
        else:
            check_answers(address)
            try:
                ray.init(address=address, **quiet)
            except (ConnectionError, RuntimeError, ray.exceptions.RayError) as error:
                raise UsageError(f"run.ray_address: {address} refuses: {error}") from None
        try:
            yield
        finally:
            ray.shutdown()


def check_answers(address: str) -> None:
    """Raise `UsageError` where nothing listens; Ray itself would try for minutes."""
    host, _, port = address.rpartition(":")
    try:
        socket.create_connection((host, int(port)), timeout=10).close()
    except OSError as error:
        raise UsageError(
            f"run.ray_address: no cluster answers at {address} ({error.strerror or error}): start "
            "one with `ray start --head`, or let it be null"
        ) from None
