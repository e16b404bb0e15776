"""Rows from raw to train as bars: what each step takes, and for what."""

from typing import Any

from markupsafe import Markup

from sftlib.page.axes import Scale
from sftlib.page.svg import WIDTH, drawing, element, minus, short, text, tooltip

LINE = 24.0


def waterfall(steps: list[dict[str, Any]]) -> Markup:
    """A bar for each step of the flow, from what was there before it to what is left after it."""
    left, right = 250.0, WIDTH - 150
    most = max(max(step["left"], step["left"] - step["rows"]) for step in steps)
    x = Scale(0, most or 1, left, right)
    rows = [*steps, {"stage": "", "what": "train", "rows": steps[-1]["left"], "left": 0}]
    parts = []
    for place, step in enumerate(rows):
        is_total = place in (0, len(rows) - 1)
        after = step["rows"] if is_total else step["left"]
        before = 0 if is_total else after - step["rows"]
        parts.append(flow_bar(place * LINE, step, x, sorted((before, after)), is_total))
    return drawing(WIDTH, len(rows) * LINE + 4, "Rows from raw to train", *parts)


def flow_bar(top: float, step: dict[str, Any], x: Scale, span: list[int], is_total: bool) -> Markup:
    kind = "total" if is_total else kind_of(step)
    start, end = x(span[0]), x(span[1])
    what = step["what"].replace("_", " ")
    label = f"{step['stage']}: {what}" if step["stage"] not in ("", "fetch") else what
    name = {"rows": "read", "train": "train"}.get(label, label) if is_total else label
    figure = f"{step['rows']:,}" if is_total else minus(f"{step['rows']:+,}")
    rest = "" if is_total else f"{step['left']:,} left"
    return Markup("").join(
        [
            text(240, top + 16, short(name, 38), text_anchor="end", class_="label"),
            element(
                "rect", tooltip(f"{name}: {figure}"), x=start, y=top + 4,
                width=max(end - start, 1.5), height=LINE - 8, rx=2.0, class_=f"flow {kind}",
            ),
            text(WIDTH - 80, top + 16, figure, text_anchor="end", class_="figure"),
            text(WIDTH - 4, top + 16, rest, text_anchor="end", class_="tick"),
        ]
    )  # fmt: skip


def kind_of(step: dict[str, Any]) -> str:
    if step["what"].startswith("held out"):
        return "held"
    return "gone" if step["rows"] <= 0 else "more"
