"""Rows from raw to train as bars: what each step takes, and for what."""

from typing import Any

from markupsafe import Markup

from sftlib.page.axes import Scale
from sftlib.page.svg import WIDTH, drawing, element, group, minus, short, text, tooltip

LINE = 24.0
LEFT, RIGHT = 250.0, WIDTH - 150

Step = dict[str, Any]


def waterfall(steps: list[Step]) -> Markup:
    """A bar for each step of the flow, from what was there before it to what is left after it."""
    most = max(max(step["left"], step["left"] - step["rows"]) for step in steps)
    x = Scale(0, most or 1, LEFT, RIGHT)
    left = steps[-1]["left"]
    name = "train" if any(step["stage"] == "split" for step in steps) else "left"
    parts = [total_bar(0, "read", steps[0]["rows"], x)]
    parts += [step_bar(place * LINE, step, x) for place, step in enumerate(steps[1:], 1)]
    parts.append(total_bar(len(steps) * LINE, name, left, x))
    height = (len(steps) + 1) * LINE + 4
    return drawing(WIDTH, height, "Rows from raw to train, by reason", *parts)


def total_bar(top: float, name: str, rows: int, x: Scale) -> Markup:
    return bar(top, name, f"{rows:,}", (x(0), x(rows)), "total")


def step_bar(top: float, step: Step, x: Scale) -> Markup:
    name = f"{step['stage']}: {step['what'].replace('_', ' ')}"
    before, after = step["left"] - step["rows"], step["left"]
    span = x(min(before, after)), x(max(before, after))
    drawn = bar(top, name, minus(f"{step['rows']:+,}"), span, kind_of(step))
    rest = text(WIDTH - 4, top + 16, f"{after:,} left", text_anchor="end", class_="tick")
    return group(drawn, rest)


def bar(top: float, name: str, figure: str, span: tuple[float, float], kind: str) -> Markup:
    start, end = span
    return group(
        text(LEFT - 10, top + 16, short(name, 38), text_anchor="end", class_="label"),
        element(
            "rect", tooltip(f"{name}: {figure}"), x=start, y=top + 4, width=max(end - start, 1.5),
            height=LINE - 8, rx=2.0, class_=kind,
        ),
        text(WIDTH - 80, top + 16, figure, text_anchor="end", class_="figure"),
    )  # fmt: skip


def kind_of(step: Step) -> str:
    if step["what"].startswith("held out"):
        return "held"
    return "gone" if step["rows"] <= 0 else "more"
