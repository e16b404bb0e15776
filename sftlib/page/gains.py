"""By how much the tuned model is better on parts of the test split."""

from typing import Any

from markupsafe import Markup

from sftlib.page.axes import labels_below, scale
from sftlib.page.svg import WIDTH, drawing, element, minus, short, text, tooltip

LINE = 24.0


def gains(slices: list[dict[str, Any]]) -> Markup:
    """How much better tuned is on each slice, with its interval; left of the line it is worse."""
    left, right = 270.0, WIDTH - 170
    ends = [end for part in slices for end in (*part["interval"], part["gain"])]
    x = scale([0.0, *ends], left, right, 5)
    bottom = len(slices) * LINE + 8
    parts = [
        labels_below(x, bottom, 0.0),
        element("line", x1=x(0.0), x2=x(0.0), y1=0.0, y2=bottom, class_="zero"),
    ]
    for place, part in enumerate(slices):
        middle = place * LINE + LINE / 2 + 2
        low, high = part["interval"]
        kind = part["verdict"].replace(" ", "-")
        figure = f"{part['gain']:+.3f}  ({low:.3f} to {high:.3f})"
        parts += [
            text(left - 14, middle + 4, short(part["name"], 40), text_anchor="end", class_="label"),
            element("line", x1=x(low), x2=x(high), y1=middle, y2=middle, class_=f"whisker {kind}"),
            element(
                "circle", tooltip(figure), cx=x(part["gain"]), cy=middle, r=4.5,
                class_=f"gain {kind}",
            ),
            text(WIDTH - 4, middle + 4, minus(figure), text_anchor="end", class_="tick"),
        ]  # fmt: skip
    return drawing(WIDTH, bottom + 24, "By how much the tuned model is better", *parts)
