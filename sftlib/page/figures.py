"""Figures of the facts in the form in which the page shows them."""

import json
from collections.abc import Iterator
from typing import Any

from sftlib.page.graph import duration
from sftlib.page.svg import minus

# Digits behind the point; four where none are given.
DIGITS = {"perplexity": 2, "chrf": 1, "rouge_l": 3, "exact_match": 3}
LOWER_IS_BETTER = ("loss", "perplexity", "mse", "ece")
# A bootstrap over fewer rows is too sure of itself.
MIN_ROWS = 10


def before_of(evaluated: dict[str, Any]) -> str:
    """What tuned is compared with: `base`, or `baseline` where the head is new."""
    return "base" if "base" in evaluated else "baseline"


def comparison(evaluated: dict[str, Any]) -> list[dict[str, str]]:
    """Lines {metric, before, tuned, change, verdict} of every metric that both have."""
    before, tuned = evaluated[before_of(evaluated)], evaluated["tuned"]
    lines = []
    for name, value in before.items():
        if not isinstance(value, float) or not isinstance(tuned.get(name), float):
            continue
        digits = DIGITS.get(name, 4)
        change = tuned[name] - value
        is_better = change < 0 if name in LOWER_IS_BETTER else change > 0
        verdict = "equal" if change == 0 else "better" if is_better else "worse"
        shown = {"before": f"{value:.{digits}f}", "tuned": f"{tuned[name]:.{digits}f}"}
        sign = minus(f"{change:+.{digits}f}")
        lines.append({"metric": name, **shown, "change": sign, "verdict": verdict})
    return lines


def slices(evaluated: dict[str, Any]) -> list[dict[str, Any]]:
    """{name, rows, gain, interval, verdict} of all rows, and of each source and length."""
    found = [slice_of("all rows", evaluated)]
    for kind in ("source", "length"):
        for name, block in evaluated.get(f"by_{kind}", {}).items():
            found.append(slice_of(f"{kind}: {name}", block))
    return found


def slice_of(name: str, block: dict[str, Any]) -> dict[str, Any]:
    gained = block["improvement"]
    metric = next(iter(gained))
    is_small = block["rows"] < MIN_ROWS
    return {
        "name": f"{name}, {block['rows']:,} rows",
        "metric": metric,
        "gain": gained[metric],
        "interval": gained[f"{metric}_interval"],
        "verdict": "not told apart" if is_small else gained["verdict"],
    }


def rows_after(metrics: dict[str, Any]) -> dict[str, int]:
    """Stage -> rows that it left."""
    found = {}
    if metrics.get("clean"):
        found["clean"] = sum(source["kept"] for source in metrics["clean"].values())
        found["fetch"] = sum(source["rows_in"] for source in metrics["clean"].values())
    for stage in ("curate", "split"):
        if stage in metrics:
            found[stage] = metrics[stage]["kept"]
    for stage, key in (("compose", "written"), ("tokenize", "kept")):
        if stage in metrics:
            found[stage] = sum(split[key] for split in metrics[stage].values())
    for stage in ("train", "evaluate"):
        if stage in metrics:
            found[stage] = metrics[stage]["rows"]
    return found


def headline(
    figures: dict[str, Any], timings: list[dict[str, Any]]
) -> Iterator[tuple[str, str, str]]:
    """(name, figure, note) of what one wants to know first."""
    steps, metrics = figures["flow"], figures["metrics"]
    if steps:
        yield "rows read", f"{steps[0]['left']:,}", f"{len(figures['params']['sources'])} sources"
    if steps and "tokenize" in metrics:
        tokens = metrics["tokenize"]["train"]["tokens"]
        yield "rows that train", f"{steps[-1]['left']:,}", f"{tokens:,} tokens"
    if "evaluate" in metrics:
        yield from outcome(metrics["evaluate"])
    if timings:
        seconds = sum(timing["seconds"] for timing in timings)
        yield "time", duration(seconds), "last run of each stage"


def outcome(evaluated: dict[str, Any]) -> Iterator[tuple[str, str, str]]:
    gained = evaluated["improvement"]
    metric, before = next(iter(gained)), before_of(evaluated)
    low, high = evaluated[before][metric], evaluated["tuned"][metric]
    yield f"test {metric.replace('_', ' ')}", f"{low:.3f} → {high:.3f}", f"{before} → tuned"
    ends = " to ".join(f"{end:.3f}" for end in gained[f"{metric}_interval"])
    yield "verdict", gained["verdict"], f"gain {gained[metric]:.3f}, 95% interval {ends}"


def tree(value: Any, name: str = "") -> Iterator[tuple[str, str]]:
    """(dotted key, value) of all that stands in nested params."""
    if isinstance(value, dict) and value:
        for key, inner in value.items():
            yield from tree(inner, f"{name}.{key}" if name else key)
    elif isinstance(value, list) and any(isinstance(inner, dict) for inner in value):
        for place, inner in enumerate(value):
            yield from tree(inner, f"{name}[{place}]")
    elif isinstance(value, list):
        yield name, ", ".join(map(str, value))
    else:
        yield name, value if isinstance(value, str) else json.dumps(value)
