"""How long the rows of each split are."""

import math

from markupsafe import Markup

from sftlib.page.axes import Scale, labels_below, scale
from sftlib.page.svg import WIDTH, drawing, element, group, text, tooltip

LEFT, RIGHT, HEIGHT, GAP = 110.0, WIDTH - 22, 74.0, 16.0

Lines = list[list[int]]


def histograms(lengths: dict[str, Lines]) -> Markup:
    """Rows by tokens, a histogram for each split, as high as its most frequent length."""
    sizes = [tokens for lines in lengths.values() for tokens, _ in lines]
    width = math.gcd(*sizes)
    x = scale([0.0, float(max(sizes))], LEFT, RIGHT, 8)
    parts = [
        histogram(split, lines, width, x, place * (HEIGHT + GAP) + HEIGHT)
        for place, (split, lines) in enumerate(lengths.items())
    ]
    bottom = len(lengths) * (HEIGHT + GAP) - GAP
    parts.append(labels_below(x, bottom))
    parts.append(text(RIGHT, bottom + 34, "tokens", text_anchor="end", class_="tick"))
    return drawing(WIDTH, bottom + 40, "Lengths of rows in tokens by split", *parts)


def histogram(split: str, lines: Lines, width: int, x: Scale, bottom: float) -> Markup:
    total, most = sum(rows for _, rows in lines), max((rows for _, rows in lines), default=1)
    parts = [
        text(LEFT - 12, bottom - 12, split, text_anchor="end", class_="label"),
        text(LEFT - 12, bottom + 4, f"{total:,} rows", text_anchor="end", class_="tick"),
        element("line", x1=LEFT, x2=RIGHT, y1=bottom, y2=bottom, class_="axis"),
    ]
    for tokens, rows in lines:
        left, right = x(tokens - width), x(tokens)
        height = max((HEIGHT - 8) * rows / most, 1.0)
        title = tooltip(f"{split}: {rows:,} rows of {tokens - width + 1} to {tokens} tokens")
        parts.append(
            element(
                "rect", title, x=left + 0.5, y=bottom - height, width=max(right - left - 1, 1.0),
                height=height, class_=split,
            )
        )  # fmt: skip
    return group(*parts)
