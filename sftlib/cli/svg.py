"""Elements of an SVG picture, as text; every text in it is escaped."""

from collections.abc import Iterable
from html import escape

from sftlib.console.printable import printable

Point = tuple[float, float]


def picture(width: float, height: float, title: str, elements: Iterable[str]) -> str:
    """A whole SVG file on white; it needs nothing from elsewhere."""
    body = "\n".join(elements)
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width:g} {height:g}" '
        f'width="{width:g}" height="{height:g}" font-family="sans-serif" font-size="12">\n'
        f"<title>{safe(title)}</title>\n"
        f'<rect width="100%" height="100%" fill="white"/>\n{body}\n</svg>\n'
    )


def text(at: Point, content: str, anchor: str = "start", size: int = 12) -> str:
    x, y = at
    return (
        f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}" font-size="{size}">'
        f"{safe(content)}</text>"
    )


def line(points: Iterable[Point], colour: str, width: float = 1.0, dashed: bool = False) -> str:
    """A polyline."""
    joined = " ".join(f"{x:.1f},{y:.1f}" for x, y in points)
    dashes = ' stroke-dasharray="4 3"' if dashed else ""
    return f'<polyline points="{joined}" fill="none" stroke="{colour}" stroke-width="{width}"{dashes}/>'  # noqa: E501


def dot(at: Point, colour: str, hollow: bool = False) -> str:
    fill = "white" if hollow else colour
    return f'<circle cx="{at[0]:.1f}" cy="{at[1]:.1f}" r="4" fill="{fill}" stroke="{colour}"/>'


def cross(at: Point, colour: str) -> str:
    x, y = at
    return (
        f'<path d="M{x - 4:.1f} {y - 4:.1f}l8 8m0 -8l-8 8" stroke="{colour}" '
        'stroke-width="1.5" fill="none"/>'
    )


def bar(at: Point, width: float, height: float, colour: str) -> str:
    x, y = at
    return (
        f'<rect x="{x:.1f}" y="{y:.1f}" width="{width:.1f}" height="{height:.1f}" fill="{colour}"/>'
    )


def safe(content: str) -> str:
    return escape(printable(content).replace("\n", " "))
