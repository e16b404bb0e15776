"""The graph of stages as a drawing: boxes in columns, an edge from each stage to what reads it."""

from collections.abc import Iterable
from dataclasses import dataclass

from markupsafe import Markup

from sftlib.page.svg import drawing, element, short, text, tooltip

BOX_WIDTH, BOX_HEIGHT, GAP_X, GAP_Y = 92.0, 58.0, 20.0, 22.0


@dataclass(frozen=True)
class Node:
    """A stage, or all entries of a `foreach` stage: `parts` of them; and what it depends on."""

    name: str
    desc: str
    parts: int
    needs: frozenset[str]
    rows: int | None = None
    seconds: float | None = None


def columns(nodes: Iterable[Node]) -> dict[str, int]:
    """Name -> column: one behind the last stage that it needs."""
    by_name = {node.name: node for node in nodes}
    found: dict[str, int] = {}

    def place(name: str) -> int:
        if name not in found:
            needs = by_name[name].needs
            found[name] = max((place(need) + 1 for need in needs), default=0)
        return found[name]

    for name in by_name:
        place(name)
    return found


def direct(nodes: Iterable[Node]) -> dict[str, set[str]]:
    """Name -> what it needs, but for what follows from its other needs."""
    needs = {node.name: set(node.needs) for node in nodes}

    def before(name: str) -> set[str]:
        return needs[name].union(*(before(need) for need in needs[name]))

    return {
        name: {one for one in mine if not any(one in before(other) for other in mine - {one})}
        for name, mine in needs.items()
    }


def graph(nodes: list[Node]) -> Markup:
    """The drawing; edges that follow from others are left out."""
    at = places(nodes)
    parts = [
        edge(at[need], at[name]) for name, mine in direct(nodes).items() for need in sorted(mine)
    ]
    parts += [box(node, *at[node.name]) for node in nodes]
    width = max(x for x, _ in at.values()) + BOX_WIDTH + 1
    height = max(y for _, y in at.values()) + BOX_HEIGHT + 2
    return drawing(width, height, "The graph of stages", *parts)


def places(nodes: list[Node]) -> dict[str, tuple[float, float]]:
    """Name -> upper left corner; what others need most stands in the first line."""
    column, taken = columns(nodes), dict[int, int]()
    found = {}
    # fetch, which feeds the sources, goes above base: the longer way first.
    for node in sorted(nodes, key=lambda node: (column[node.name], node.name == "base", node.name)):
        line = taken.get(column[node.name], 0)
        taken[column[node.name]] = line + 1
        x = column[node.name] * (BOX_WIDTH + GAP_X) + 1
        found[node.name] = (x, line * (BOX_HEIGHT + GAP_Y) + 1)
    return found


def edge(start: tuple[float, float], end: tuple[float, float]) -> Markup:
    x1, y1 = start[0] + BOX_WIDTH, start[1] + BOX_HEIGHT / 2
    x2, y2 = end[0], end[1] + BOX_HEIGHT / 2
    near = x2 - GAP_X / 2
    bend = f"C{near + 4:.1f} {y1:.1f} {near - 4:.1f} {y2:.1f} {x2:.1f} {y2:.1f}"
    curve = f"M{x1:.1f} {y1:.1f} H{near - 6:.1f} {bend}"
    return element("path", d=curve, fill="none", class_="edge")


def box(node: Node, x: float, y: float) -> Markup:
    name = node.name if node.parts == 1 else f"{node.name} ×{node.parts}"
    below = [] if node.rows is None else [f"{node.rows:,} rows"]
    below += [] if node.seconds is None else [duration(node.seconds)]
    middle = {"text_anchor": "middle"}
    lines = [text(x + BOX_WIDTH / 2, y + 19, short(name, 12), class_="stage", **middle)]
    for place, words in enumerate(below):
        lines.append(text(x + BOX_WIDTH / 2, y + 36 + 15 * place, words, class_="small", **middle))
    outline = element(
        "rect", tooltip(node.desc), x=x, y=y, width=BOX_WIDTH, height=BOX_HEIGHT, rx=5.0,
        class_="box",
    )  # fmt: skip
    return element("g", outline, *lines)


def duration(seconds: float) -> str:
    """
    >>> duration(2.345), duration(151), duration(7265)
    ('2.3 s', '2:31 min', '2:01 h')
    """
    if seconds < 100:
        return f"{seconds:.1f} s"
    whole = round(seconds)
    if whole < 3600:
        return f"{whole // 60}:{whole % 60:02} min"
    return f"{whole // 3600}:{whole % 3600 // 60:02} h"
