"""Losses and the learning rate by step."""

from markupsafe import Markup

from sftlib.page.axes import Scale, horizontal_lines, labels_below, scale
from sftlib.page.svg import WIDTH, drawing, element, group, path, text, tooltip

LEFT, RIGHT = 62.0, WIDTH - 22
# More points than there are pixels would only make the page large.
POINTS = 1000

Lines = list[list[float]]


def losses(curves: dict[str, Lines]) -> Markup:
    """Loss on train and validation by step, and the learning rate below."""
    x = scale([0.0, *(line[0] for lines in curves.values() for line in lines)], LEFT, RIGHT, 8)
    train = thinned(curves["train"])
    return drawing(
        WIDTH, 396.0, "Loss on train and validation by step, and the learning rate",
        loss_panel(train, curves["validation"], x),
        rate_panel(train, x),
        labels_below(x, 352.0),
        text(RIGHT, 386, "step", text_anchor="end", class_="tick"),
    )  # fmt: skip


def thinned(lines: Lines) -> Lines:
    """Every nth line, and the last."""
    every = -(-len(lines) // POINTS)
    return lines if every <= 1 else [*lines[:-1:every], lines[-1]]


def loss_panel(train: Lines, validation: Lines, x: Scale) -> Markup:
    y = scale([line[1] for line in train + validation], 240.0, 24.0)
    return group(
        text(LEFT, 12, "loss", class_="label"),
        legend(RIGHT - 190),
        horizontal_lines(y, LEFT, RIGHT),
        path([(x(line[0]), y(line[1])) for line in train], class_="line train"),
        path([(x(step), y(loss)) for step, loss in validation], class_="line validation"),
        *(dot(x(s), y(v), f"validation, step {s:g}: {v:.4f}") for s, v in validation),
    )


def rate_panel(train: Lines, x: Scale) -> Markup:
    y = scale([0.0, *(rate for _, _, rate in train)], 352.0, 292.0, 2)
    return group(
        text(LEFT, 278, "learning rate", class_="label"),
        horizontal_lines(y, LEFT, RIGHT),
        path([(x(step), y(rate)) for step, _, rate in train], class_="line rate"),
    )


def legend(start: float) -> Markup:
    return group(
        path([(start, 8), (start + 22, 8)], class_="line train"),
        text(start + 28, 12, "train", class_="tick"),
        path([(start + 80, 8), (start + 102, 8)], class_="line validation"),
        dot(start + 91, 8.0, "validation"),
        text(start + 108, 12, "validation", class_="tick"),
    )


def dot(x: float, y: float, words: str) -> Markup:
    return element("circle", tooltip(words), cx=x, cy=y, r=4.0, class_="dot")
