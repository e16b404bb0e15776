"""By how much the tuned model is better on parts of the test split."""

from typing import Any

from markupsafe import Markup

from sftlib.page.axes import Scale, labels_below, scale
from sftlib.page.svg import WIDTH, drawing, element, group, minus, short, text, tooltip

LINE = 24.0
LEFT, RIGHT = 270.0, WIDTH - 170


def gains(slices: list[dict[str, Any]]) -> Markup:
    """How much better tuned is on each slice, with its interval; left of the line it is worse."""
    ends = [end for part in slices for end in (*part["interval"], part["gain"])]
    x, bottom = scale([0.0, *ends], LEFT, RIGHT, 5), len(slices) * LINE + 8
    zero = element("line", x1=x(0.0), x2=x(0.0), y1=0.0, y2=bottom, class_="zero")
    lines = [gain(part, place * LINE + LINE / 2 + 2, x) for place, part in enumerate(slices)]
    label = "By how much the tuned model is better"
    return drawing(WIDTH, bottom + 24, label, labels_below(x, bottom, 0.0), zero, *lines)


def gain(part: dict[str, Any], y: float, x: Scale) -> Markup:
    low, high = part["interval"]
    kind = part["verdict"].replace(" ", "-")
    figure = minus(f"{part['gain']:+.3f}  ({low:.3f} to {high:.3f})")
    return group(
        text(LEFT - 14, y + 4, short(part["name"], 40), text_anchor="end", class_="label"),
        element("line", x1=x(low), x2=x(high), y1=y, y2=y, class_=f"whisker {kind}"),
        element("circle", tooltip(figure), cx=x(part["gain"]), cy=y, r=4.5, class_=kind),
        text(WIDTH - 4, y + 4, figure, text_anchor="end", class_="tick"),
    )
