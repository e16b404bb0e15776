"""Axes with round numbers."""

import math
from dataclasses import dataclass

from markupsafe import Markup

from sftlib.page.svg import element, group, text

STEPS = (1, 2, 2.5, 5, 10)


@dataclass(frozen=True)
class Scale:
    """Maps values low to high onto places start to end; `ticks` are round values among them."""

    low: float
    high: float
    start: float
    end: float
    ticks: tuple[float, ...] = ()

    def __call__(self, value: float) -> float:
        share = (value - self.low) / ((self.high - self.low) or 1.0)
        return self.start + share * (self.end - self.start)


def scale(values: list[float], start: float, end: float, count: int = 4) -> Scale:
    """A scale that holds all values, from one round number to another.

    >>> scale([0.0, 873.0], 0, 100).ticks
    (0.0, 250.0, 500.0, 750.0, 1000.0)
    """
    low, high = min(values), max(values)
    if low == high:
        low, high = low - (abs(low) or 1.0) / 2, high + (abs(high) or 1.0) / 2
    raw = (high - low) / count
    power = 10.0 ** math.floor(math.log10(raw))
    step = next(s * power for s in STEPS if s * power >= raw * 0.999)
    first, last = math.floor(low / step + 1e-9), math.ceil(high / step - 1e-9)
    ticks = tuple(round(n * step, 12) for n in range(first, last + 1))
    return Scale(ticks[0], ticks[-1], start, end, ticks)


def number(value: float) -> str:
    """A tick's label: as many digits as it takes, thousands apart."""
    if value and (abs(value) < 1e-3 or abs(value) >= 1e7):
        return f"{value:.3g}"
    return f"{value:,.4f}".rstrip("0").rstrip(".")


def horizontal_lines(y: Scale, left: float, right: float) -> Markup:
    """A thin line and a label for each tick of a vertical scale."""
    parts = []
    for tick in y.ticks:
        parts.append(element("line", x1=left, x2=right, y1=y(tick), y2=y(tick), class_="grid"))
        parts.append(text(left - 6, y(tick) + 4, number(tick), text_anchor="end", class_="tick"))
    return group(*parts)


def labels_below(x: Scale, bottom: float, top: float | None = None) -> Markup:
    """A label for each tick of a horizontal scale, and lines up to `top` where one is given."""
    parts = []
    for tick in x.ticks:
        if top is not None:
            line = element("line", x1=x(tick), x2=x(tick), y1=top, y2=bottom, class_="grid")
            parts.append(line)
        label = number(tick)
        parts.append(text(x(tick), bottom + 16, label, text_anchor="middle", class_="tick"))
    return group(*parts)
