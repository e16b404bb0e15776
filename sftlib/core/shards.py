"""Run one function over many shards, in this process or in several; the results are the same."""

import multiprocessing
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from typing import TypeVar

from sftlib.core.process import die_with_parent

R = TypeVar("R")

# Below this a worker's start costs more than its work.
MIN_BYTES_PER_WORKER = 8 << 20


def map_shards(
    function: Callable[[str], R], shards: Sequence[str], workers: int, total_bytes: int
) -> list[R]:
    """`[function(shard) for shard in shards]`, by up to `workers` processes.

    `function` must be importable (a module's function or a `functools.partial` of one). Results
    come in the order of `shards`, whatever the worker count.
    """
    workers = min(workers, len(shards), total_bytes // MIN_BYTES_PER_WORKER)
    if workers <= 1:
        return [function(shard) for shard in shards]
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(workers, mp_context=context, initializer=die_with_parent) as pool:
        return list(pool.map(function, shards))
