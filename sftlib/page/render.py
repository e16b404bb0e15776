"""The page: one HTML file that opens without a network and runs no script.

Templates escape all that they are given, and show control characters as escapes.
"""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from sftlib.console.printable import printable
from sftlib.core.splits import SPLITS
from sftlib.page.confusion import confusion_table
from sftlib.page.curves import losses
from sftlib.page.edits import segments
from sftlib.page.figures import comparison, headline, slices, tree
from sftlib.page.gains import gains
from sftlib.page.graph import Node, duration, graph
from sftlib.page.lengths import histograms
from sftlib.page.waterfall import waterfall

TEMPLATES = Path(__file__).parent / "templates"


@dataclass(frozen=True)
class Build:
    """What the page shows: the facts, and what facts must not hold.

    nodes: the stages. timings: the last run of each, as .sft/timings.jsonl has it.
    raw: place -> row before cleaning, as far as it is still there. stale: stage -> what changed
    since it ran. environment: name -> value.
    """

    figures: dict[str, Any]
    samples: dict[str, Any]
    nodes: list[Node]
    timings: list[dict[str, Any]] = field(default_factory=list)
    raw: dict[str, dict[str, Any]] = field(default_factory=dict)
    stale: dict[str, list[str]] = field(default_factory=dict)
    environment: dict[str, str] = field(default_factory=dict)


def render(build: Build) -> str:
    """The page as HTML."""
    environment = Environment(
        loader=FileSystemLoader(TEMPLATES),
        autoescape=True,
        undefined=StrictUndefined,
        finalize=shown,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {"thousands": thousands, "duration": duration}
    environment.globals |= {
        "SPLITS": SPLITS, "graph": graph, "waterfall": waterfall, "histograms": histograms,
        "losses": losses, "gains": gains, "confusion_table": confusion_table,
        "segments": segments, "tree": tree, "style": Markup((TEMPLATES / "style.css").read_text()),
    }  # fmt: skip
    figures = build.figures
    evaluated = figures["metrics"].get("evaluate")
    return environment.get_template("page.html").render(
        build=build,
        figures=figures,
        samples=build.samples,
        missing={**figures["missing"], **build.samples["missing"]},
        evaluated=evaluated,
        comparison=comparison(evaluated) if evaluated else [],
        slices=slices(evaluated) if evaluated else [],
        headline=headline(figures, build.timings),
    )


def shown(value: Any) -> Any:
    """What a template writes: markup of our own as it is, texts with control characters visible."""
    return printable(value) if isinstance(value, str) and not isinstance(value, Markup) else value


def thousands(value: float) -> str:
    return f"{value:,}"
