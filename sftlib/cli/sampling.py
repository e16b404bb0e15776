"""Which values a search tries: all points of a grid, or what Optuna draws."""

import random
from itertools import product
from typing import Any

from sftlib.cli.space import Space

# Values drawn at random before the sampler models what it saw.
RANDOM_TRIALS = 5


def grid_points(space: Space, seed: int) -> list[dict[str, Any]]:
    """All combinations of the choices, in an order that the seed draws."""
    edges = [choices.edges() for choices in space.values()]
    points = [dict(zip(space, values, strict=True)) for values in product(*edges)]
    random.Random(seed).shuffle(points)
    return points


def make_sampler(kind: str, seed: int, number: int) -> Any:
    """What draws the values of trial `number`; a grid has its points in the queue."""
    from optuna.samplers import RandomSampler, TPESampler

    own = (seed * 100_003 + number) % 2**32
    if kind == "bayes":
        return TPESampler(seed=own, n_startup_trials=RANDOM_TRIALS)
    return RandomSampler(seed=own)
