"""Marks of a picture in a file of its own: what `sftlib/page/svg.py` escapes, in our sizes."""

from collections.abc import Iterable

from markupsafe import Markup

from sftlib.console.printable import printable
from sftlib.page import svg

Point = tuple[float, float]


def picture(width: float, height: float, title: str, elements: Iterable[Markup]) -> str:
    """A whole SVG file on white; it needs nothing from elsewhere."""
    return svg.element(
        "svg", svg.tooltip(one_line(title)), svg.element("rect", width="100%", height="100%",
        fill="white"), *elements, xmlns="http://www.w3.org/2000/svg", width=width, height=height,
        viewBox=f"0 0 {width:g} {height:g}", font_family="sans-serif", font_size="12",
    )  # fmt: skip


def text(at: Point, content: str, anchor: str = "start", size: int = 12) -> Markup:
    return svg.text(*at, one_line(content), text_anchor=anchor, font_size=str(size))


def line(points: Iterable[Point], colour: str, width: float = 1.0, dashed: bool = False) -> Markup:
    dashes = {"stroke_dasharray": "4 3"} if dashed else {}
    return svg.path(points, stroke=colour, stroke_width=width, **dashes)


def dot(at: Point, colour: str, hollow: bool = False) -> Markup:
    fill = "white" if hollow else colour
    return svg.element("circle", cx=at[0], cy=at[1], r="4", fill=fill, stroke=colour)


def cross(at: Point, colour: str) -> Markup:
    x, y = at
    d = f"M{x - 4:.1f} {y - 4:.1f}l8 8m0 -8l-8 8"
    return svg.element("path", d=d, stroke=colour, stroke_width=1.5, fill="none")


def bar(at: Point, width: float, height: float, colour: str) -> Markup:
    return svg.element("rect", x=at[0], y=at[1], width=width, height=height, fill=colour)


def one_line(content: str) -> str:
    return printable(content).replace("\n", " ")
