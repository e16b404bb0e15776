"""Elements of SVG as escaped markup: nothing of a text can end an attribute or begin an element."""

from collections.abc import Iterable

from markupsafe import Markup, escape

from sftlib.console.printable import printable

Value = str | float
# Of charts, in the units of their places.
WIDTH = 860.0


def element(name: str, *children: str, **attributes: Value) -> Markup:
    """`<name attribute="value">children</name>`; `class_` and `text_anchor` lose `_` and get `-`.

    >>> element("text", "a < b", x=1.5, text_anchor="end")
    Markup('<text x="1.5" text-anchor="end">a &lt; b</text>')
    """
    given = Markup("").join(
        Markup(' {}="{}"').format(key.rstrip("_").replace("_", "-"), shown(value))
        for key, value in attributes.items()
    )
    body = Markup("").join(escape(child) for child in children)
    return Markup("<{0}{1}>{2}</{0}>").format(name, given, body)


def shown(value: Value) -> str:
    return f"{value:.2f}".rstrip("0").rstrip(".") if isinstance(value, float) else str(value)


def text(x: float, y: float, words: str, **attributes: Value) -> Markup:
    """A line of text, with what cannot be seen in it as escapes."""
    return element("text", printable(words), x=x, y=y, **attributes)


def short(words: str, most: int) -> str:
    """Words that fit into so many characters."""
    return words if len(words) <= most else words[: most - 1] + "…"


def minus(figure: str) -> str:
    """With a minus sign as wide as the plus sign."""
    return figure.replace("-", "−")


def path(points: Iterable[tuple[float, float]], **attributes: Value) -> Markup:
    """A line through the points."""
    places = " L".join(f"{x:.1f} {y:.1f}" for x, y in points)
    return element("path", d=f"M{places}", fill="none", **attributes)


def group(*parts: Markup) -> Markup:
    """Parts one after another."""
    return Markup("").join(parts)


def tooltip(words: str) -> Markup:
    return element("title", printable(words))


def drawing(width: float, height: float, label: str, *children: Markup) -> Markup:
    """An image that scales with the page; `label` is what a screen reader says of it."""
    return element(
        "svg", *children, viewBox=f"0 0 {shown(width)} {shown(height)}", role="img",
        aria_label=printable(label), class_="chart", style=f"max-width:{shown(width)}px",
    )  # fmt: skip
