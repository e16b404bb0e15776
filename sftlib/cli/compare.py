"""`sft compare`: params, data and metrics of revisions side by side, and which model is better."""

from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import orjson
from rich.console import Console
from rich.table import Table

from sftlib.cli.drift import COUNTED, compare_drift
from sftlib.cli.fates import Change, compare_fates, data_hashes, read_fates, totals
from sftlib.cli.revision import WORKSPACE, Revision
from sftlib.cli.verdict import compare_metrics
from sftlib.console.printable import printable
from sftlib.page.figures import MIN_ROWS


def print_compare(names: list[str], as_json: bool) -> None:
    """Compare each revision with the first, or the working directory with the only one.

    Raises `DataError` for a revision that is not built, or whose data are not on this machine.
    """
    if len(names) == 1:
        names = [*names, WORKSPACE]
    first, *others = (Revision(Path.cwd(), name) for name in names)
    for revision in (first, *others):
        revision.check_built()
    params = differing_params([first, *others])
    reports = [report_of(first, other, others) for other in others]
    if as_json:
        against = [asdict(report) for report in reports]
        print(orjson.dumps({"reference": names[0], "params": params, "against": against}).decode())
        return
    console = Console(markup=False, highlight=False)
    console.print(params_table(names, params) if params else "Params: the same")
    for other, report in zip(others, reports, strict=True):
        console.print()
        for part in parts_of(first, other, report):
            console.print(part)


@dataclass(frozen=True)
class Report:
    """A revision against the first: rows that differ, how far the data moved, which is better."""

    revision: str
    data: list[Change]
    drift: dict[str, dict[str, Any]]
    metrics: dict[str, Any]


def report_of(first: Revision, other: Revision, others: list[Revision]) -> Report:
    if data_hashes(first) == data_hashes(other):
        return Report(other.name, [], {}, compare_metrics(first, other, others, ()))
    old, new = read_fates(first), read_fates(other)
    data, drift = compare_fates(old, new), compare_drift(first, other, old, new)
    return Report(other.name, data, drift, compare_metrics(first, other, others, old.in_use()))


def parts_of(first: Revision, other: Revision, report: Report) -> Iterator[Table | str]:
    """Tables and sentences, in the order in which they are shown."""
    names = (first.name, other.name)
    yield data_table(*names, report.data) if report.data else "Data: the same"
    if report.drift:
        yield drift_table(*names, report.drift)
    rows, fresh = report.metrics["rows"]["compared"], report.metrics["new_rows"]
    table = metrics_table(f"Tuned models on {rows} common test rows", *names, report.metrics)
    for name, values in report.metrics["figures"].items():
        table.add_row(name, *(figure(value, ".4f") for value in values), "", "", "")
    yield table
    if fresh["compared"]:
        yield metrics_table(f"On {fresh['compared']} new test rows", *names, fresh)
    yield from notes(first, other, report.metrics)


def differing_params(revisions: list[Revision]) -> dict[str, list[Any]]:
    """Dotted key -> its value in each revision; None where there is no such key."""
    flat = [flatten(revision.params()) for revision in revisions]
    keys = dict.fromkeys(key for params in flat for key in params)
    found = {key: [params.get(key) for params in flat] for key in keys}
    return {key: values for key, values in found.items() if any(v != values[0] for v in values)}


def flatten(node: Any, key: str = "") -> dict[str, Any]:
    """Blocks as dotted keys; lists stay values.

    >>> flatten({"train": {"lr": 1, "lora": None}})
    {'train.lr': 1, 'train.lora': None}
    """
    if not isinstance(node, dict) or not node:
        return {key: node}
    flat: dict[str, Any] = {}
    for name, value in node.items():
        flat |= flatten(value, f"{key}.{name}" if key else str(name))
    return flat


def params_table(names: list[str], params: dict[str, list[Any]]) -> Table:
    table = Table("param", *map(printable, names), title="Params", title_justify="left")
    for key, values in params.items():
        table.add_row(printable(key), *(printable(str(value)) for value in values))
    return table


def data_table(before: str, after: str, data: list[Change]) -> Table:
    summed = ", ".join(f"{rows} {kind}" for kind, rows in totals(data).items())
    title = printable(f"Data from {before} to {after}: {summed}")
    table = Table("rows", "source", "why", "for example", title=title, title_justify="left")
    for change in data:
        shown = [f"{e['at']}  {' '.join(e['text'].split())[:60]}" for e in change.examples]
        cells = (f"{change.rows} {change.kind}", change.source, change.reason, "\n".join(shown))
        table.add_row(*map(printable, cells))
    return table


def drift_table(before: str, after: str, drift: dict[str, dict[str, Any]]) -> Table:
    title = printable(f"Drift from {before} to {after}: distances from 0 to 1")
    columns = ("lengths", "languages", "labels", "mean characters", "words in added rows", "unseen")
    table = Table("source", *columns, title=title, title_justify="left")
    for source, found in drift.items():
        lengths = " to ".join(figure(value, ".1f") for value in found["mean_characters"])
        cells = [figure(found[name], ".3f") for name in COUNTED]
        unseen = figure(found["unseen"], ".1%")
        table.add_row(printable(source), *cells, lengths, str(found["words"]), unseen)
    return table


def figure(value: float | None, form: str) -> str:
    return "-" if value is None else f"{value:{form}}"


def metrics_table(title: str, before: str, after: str, metrics: dict[str, Any]) -> Table:
    columns = ("metric", printable(before), printable(after), "gain", "95% interval", "verdict")
    table = Table(*columns, title=title, title_justify="left")
    for name in ("loss", "token_accuracy"):
        if name in metrics:
            found = metrics[name]
            low, high = found["interval"]
            cells = (f"{found[key]:.4f}" for key in ("before", "after", "gain"))
            table.add_row(name, *cells, f"{low:.4f} to {high:.4f}", found["verdict"])
    return table


def notes(first: Revision, other: Revision, metrics: dict[str, Any]) -> list[str]:
    """What a reader of the tables must know besides."""
    rows, found = metrics["rows"], []
    unasked = metrics["new_rows"]["not_asked"]
    if rows["only_before"] or rows["only_after"]:
        found.append(
            f"The test splits differ: {rows['only_before']} rows only in {first.name}, "
            f"{rows['only_after']} only in {other.name}; the figures without interval are over "
            "each one's own rows."
        )
    if unasked:
        found.append(
            f"{unasked} new test rows were never put to the model of {first.name}: a build whose "
            "base it is does that (docs/updates.md)."
        )
    if rows["other_labels"]:
        found.append(f"{rows['other_labels']} common rows are left out: they have other labels.")
    if "loss" not in metrics:
        found.append("No test row is comparable, so there is no verdict.")
    elif rows["compared"] < MIN_ROWS:
        found.append(f"Fewer than {MIN_ROWS} common rows tell no models apart.")
    for revision in (first, other):
        code = revision.stale()[1]
        if code:
            found.append(f"{revision.name}: built by other code than it holds ({', '.join(code)}).")
    return [printable(note) for note in found]
