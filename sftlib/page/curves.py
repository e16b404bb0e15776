"""Losses and the learning rate by step."""

from markupsafe import Markup

from sftlib.page.axes import horizontal_lines, labels_below, scale
from sftlib.page.svg import WIDTH, drawing, element, path, text, tooltip


def losses(curves: dict[str, list[list[float]]]) -> Markup:
    """Loss on train and validation by step, and the learning rate below."""
    train, validation = curves["train"], curves["validation"]
    left, right = 62.0, WIDTH - 10
    steps = [line[0] for line in train + validation]
    x = scale([0.0, max(steps)], left, right, 8)
    y = scale([line[1] for line in train + validation], 240.0, 24.0)
    rate = scale([0.0, *(line[2] for line in train)], 352.0, 292.0, 2)
    points = [
        element("circle", tooltip(f"step {s:g}: {v:.4f}"), cx=x(s), cy=y(v), r=4.0, class_="dot")
        for s, v in validation
    ]
    return drawing(
        WIDTH, 396.0, "Loss on train and validation by step, and the learning rate",
        text(left, 12, "loss", class_="label"),
        legend(right),
        horizontal_lines(y, left, right),
        path([(x(line[0]), y(line[1])) for line in train], class_="line train"),
        path([(x(s), y(v)) for s, v in validation], class_="line validation"),
        *points,
        text(left, 278, "learning rate", class_="label"),
        horizontal_lines(rate, left, right),
        path([(x(line[0]), rate(line[2])) for line in train], class_="line rate"),
        labels_below(x, 352.0),
        text(right, 386, "step", text_anchor="end", class_="tick"),
    )  # fmt: skip


def legend(right: float) -> Markup:
    start = right - 190
    return Markup("").join(
        [
            path([(start, 8), (start + 22, 8)], class_="line train"),
            text(start + 28, 12, "train", class_="tick"),
            path([(start + 80, 8), (start + 102, 8)], class_="line validation"),
            element("circle", cx=start + 91, cy=8.0, r=4.0, class_="dot"),
            text(start + 108, 12, "validation", class_="tick"),
        ]
    )
