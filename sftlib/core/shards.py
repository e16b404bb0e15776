"""Run one function over many shards: here, in processes or on a cluster, to the same results."""

from collections.abc import Callable, Sequence
from typing import TypeVar

from sftlib.core.params import Run

S = TypeVar("S")
R = TypeVar("R")

# Below this a worker's start costs more than its work.
MIN_BYTES_PER_WORKER = 8 << 20


def map_shards(
    function: Callable[[S], R], shards: Sequence[S], run: Run, total_bytes: int
) -> list[R]:
    """`[function(shard) for shard in shards]`, by up to `run.workers` processes.

    `function` must be importable (a module's function or a `functools.partial` of one) and write
    the same files when it is begun again. Results come in the order of `shards`, whatever runs
    where; an error meant for a person is raised as it was in the worker.
    """
    workers = min(run.workers, len(shards), total_bytes // MIN_BYTES_PER_WORKER)
    if workers <= 1:
        return [function(shard) for shard in shards]
    # Imported here: what starts processes is 39 modules, and most builds start none.
    if run.executor == "ray":
        from sftlib.core.executors.cluster import on_ray

        return on_ray(function, shards, workers, run.ray_address)
    from sftlib.core.executors.local import in_processes

    return in_processes(function, shards, workers)
