"""The picture of a search: its history, what mattered, and which values went with which result."""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable
from typing import TYPE_CHECKING

from markupsafe import Markup

from sftlib.cli.experiment import setting
from sftlib.cli.marks import Point, bar, cross, dot, line, picture, text
from sftlib.cli.space import Choice, Range, Value
from sftlib.cli.study import Search, listed, outcome, result

if TYPE_CHECKING:
    from optuna import Study
    from optuna.trial import FrozenTrial

WIDTH, LEFT, RIGHT = 960.0, 90.0, 60.0
HISTORY, ROW, COORDINATES = 220.0, 24.0, 260.0
INK, FAILED, GOOD, BAD = "#333333", "#b00020", (20, 60, 140), (215, 220, 230)


def draw_study(search: Search, study: Study) -> str:
    """An SVG file of three panels; trials without a result are in the first alone."""
    trials = sorted(listed(study), key=lambda trial: trial.number)
    results = [t for t in trials if math.isfinite(value_of(t))]
    title = f"{search.name}: {search.metric} of {len(results)} results in {len(trials)} trials"
    elements, top = [text((LEFT, 28), title, size=16)], 60.0
    if results:
        worst_first = sorted(results, key=value_of, reverse=not search.maximize)
        elements += history(trials, results, search.maximize, top)
        top += HISTORY + 70
        elements += importances(search, study, top)
        top += ROW * len(search.space) + 60
        elements += coordinates(search, worst_first, top)
        top += COORDINATES + 30
    return picture(WIDTH, top, title, elements)


def value_of(trial: FrozenTrial) -> float:
    found = result(trial)
    return math.nan if found is None else found


def history(
    trials: list[FrozenTrial], results: list[FrozenTrial], maximize: bool, top: float
) -> list[Markup]:
    """Results by number, and the best so far; hollow: pruned, at its last loss; cross: failed."""
    low, high = span(results)
    bottom, last = top + HISTORY, max(trial.number for trial in trials)

    def at(number: int, value: float) -> Point:
        share = min(max((value - low) / (high - low), 0.0), 1.0)
        return LEFT + (WIDTH - LEFT - RIGHT) * number / max(last, 1), bottom - HISTORY * share

    elements = [text((LEFT, top - 12), "history: dot result, circle pruned, cross failed")]
    elements += ticks(low, high, lambda value: at(0, value)[1], LEFT)
    for number in sorted({0, last // 2, last}):
        elements.append(text((at(number, low)[0], bottom + 18), f"{number}", "middle"))
    best: list[Point] = []
    for trial in results:
        seen = [value_of(t) for t in results if t.number <= trial.number]
        best.append(at(trial.number, max(seen) if maximize else min(seen)))
    elements.append(line(steps(best), colour(1.0), 1.5))
    for trial in trials:
        if outcome(trial) == "complete" and trial in results:
            elements.append(dot(at(trial.number, value_of(trial)), colour(1.0)))
        elif outcome(trial) == "pruned":
            last_loss = trial.value if trial.value is not None else high
            elements.append(dot(at(trial.number, last_loss), INK, hollow=True))
        elif outcome(trial) == "failed":
            elements.append(cross((at(trial.number, low)[0], top), FAILED))
    return elements


def importances(search: Search, study: Study, top: float) -> list[Markup]:
    """Bars: the share of each param in what made results differ (PED-ANOVA)."""
    import optuna

    elements = [text((LEFT, top - 12), "importance of params for being among the best")]
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            shares = optuna.importance.get_param_importances(study)
    except (ValueError, RuntimeError):  # too few results, or none that differ
        return [*elements, text((LEFT, top + 10), "more results are needed to tell")]
    indent = LEFT + 160
    for number, key in enumerate(sorted(search.space, key=lambda key: -shares.get(key, 0.0))):
        y, share = top + ROW * number, shares.get(key, 0.0)
        elements.append(text((indent - 8, y + 12), key, "end"))
        elements.append(bar((indent, y), (WIDTH - indent - RIGHT - 40) * share, 16, colour(0.7)))
        right = indent + (WIDTH - indent - RIGHT - 40) * share + 6
        elements.append(text((right, y + 12), f"{share:.2f}"))
    return elements


def coordinates(search: Search, worst_first: list[FrozenTrial], top: float) -> list[Markup]:
    """A line for each result through its values; the darker the better."""
    low, high = span(worst_first)
    names = [*search.space, search.metric]
    gap = (WIDTH - LEFT - 2 * RIGHT) / (len(names) - 1)
    bottom = top + COORDINATES

    def height(share: float) -> float:
        return bottom - (COORDINATES - 30) * share

    elements = [text((LEFT, top - 12), "values and results: the darker the better")]
    for rank, trial in enumerate(worst_first):
        shares = [place(choices, trial.params[key]) for key, choices in search.space.items()]
        shares.append((value_of(trial) - low) / (high - low))
        points = [(LEFT + gap * n, height(share)) for n, share in enumerate(shares)]
        elements.append(line(points, colour((rank + 1) / len(worst_first)), 1.8))
    for number, name in enumerate(names):
        x = LEFT + gap * number
        elements.append(line([(x, height(0)), (x, height(1))], INK))
        elements.append(text((x, top + 14), name, "middle"))
        choices = search.space.get(name, Range("float", low, high))
        for value in choices.edges():
            elements += marked((x + 6, height(place(choices, value)) + 4), label(value))
    return elements


def place(choices: Choice | Range, value: Value) -> float:
    """Where on its axis a value stands, from 0 to 1.

    >>> place(Range("log", 1e-4, 1e-2), 1e-3), place(Choice((8, 16, 32)), 16)
    (0.5, 0.5)
    """
    if isinstance(choices, Choice):
        return choices.values.index(value) / max(len(choices.values) - 1, 1)
    assert isinstance(value, int | float)
    scale: Callable[[float], float] = math.log if choices.kind == "log" else float
    low, high = scale(choices.low), scale(choices.high)
    return round((scale(value) - low) / (high - low), 9)


def span(results: list[FrozenTrial]) -> tuple[float, float]:
    """The lowest and the highest result, apart even when all are equal."""
    values = [value_of(trial) for trial in results]
    low, high = min(values), max(values)
    return (low, high) if high > low else (low - 0.5, high + 0.5)


def ticks(low: float, high: float, y: Callable[[float], float], x: float) -> list[Markup]:
    """Values left of an axis at `x`, with a short mark."""
    elements = []
    for number in range(4):
        value = low + (high - low) * number / 3
        elements.append(text((x - 10, y(value) + 4), f"{value:.4g}", "end"))
        elements.append(line([(x - 6, y(value)), (x, y(value))], INK))
    return elements


def steps(points: list[Point]) -> list[Point]:
    """A line of steps through points: level, then up or down."""
    corners = points[:1]
    for x, y in points[1:]:
        corners += [(x, corners[-1][1]), (x, y)]
    return corners


def marked(at: Point, content: str) -> list[Markup]:
    """A text that stays readable over lines."""
    x, y = at
    return [bar((x - 2, y - 11), 7.5 * len(content) + 4, 14, "white"), text(at, content)]


def label(value: Value) -> str:
    return f"{value:.4g}" if isinstance(value, float) else setting("", value).strip("='")


def colour(share: float) -> str:
    """From faint (0) to dark blue (1)."""
    return "#" + "".join(
        f"{round(b + (g - b) * share):02x}" for g, b in zip(GOOD, BAD, strict=True)
    )
