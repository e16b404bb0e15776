"""`sft report`: the page of a build, reports/index.html."""

import platform
from dataclasses import asdict
from pathlib import Path
from typing import Any

import orjson
from jinja2 import UndefinedError
from rich.console import Console

from sftlib.cli.raw import read_raw
from sftlib.cli.revision import WORKSPACE, Revision, name_of
from sftlib.cli.summary import last_timings
from sftlib.core.environment import pinned_versions
from sftlib.core.errors import DataError, UsageError
from sftlib.core.params import Params, load_params
from sftlib.core.state import state_folder
from sftlib.page.figures import rows_after
from sftlib.page.graph import Node
from sftlib.page.render import Build, render
from sftlib.report.facts import FIGURES, FIGURES_FILE, SAMPLES, SAMPLES_FILE, collect

PAGE = "reports/index.html"


def write_page() -> None:
    """Write the page of the build in the working directory; `UsageError` before the first one."""
    root = Path.cwd()
    params = load_params(root / "params.yaml")
    if not any((root / "metrics/clean").glob("*.json")):
        raise UsageError("metrics/clean is missing: build with `dvc repro clean` first")
    html = page_of(root, params)
    page = root / PAGE
    page.parent.mkdir(exist_ok=True)
    temporary = page.with_suffix(".tmp")
    temporary.write_text(html, encoding="utf-8")
    temporary.rename(page)
    Console(markup=False, highlight=False).print(f"{PAGE}: open it in a browser, or print it")


def page_of(root: Path, params: Params) -> str:
    """The page; raises `DataError` for files that other params or other code wrote."""
    revision = Revision(root, WORKSPACE)
    choices, code = revision.stale()
    stale = [*choices, *code]
    try:
        return render(build_of(root, params, revision, by_stage(stale)))
    except (LookupError, ValueError, AssertionError, UndefinedError) as error:
        if not stale:
            raise
        raise DataError(
            f"what was built does not fit ({type(error).__name__}: {error}); since then changed: "
            f"{', '.join(stale[:5])}{', ...' if stale[5:] else ''}; run `dvc repro`"
        ) from None


def by_stage(changes: list[str]) -> dict[str, list[str]]:
    """Stage -> what changed since it ran, from 'stage: what'."""
    found: dict[str, list[str]] = {}
    for change in changes:
        stage, _, what = change.partition(": ")
        found.setdefault(stage, []).append(what)
    return found


def build_of(root: Path, params: Params, revision: Revision, stale: dict[str, list[str]]) -> Build:
    figures, samples = facts_of(root, params, is_current=not stale)
    timings = timings_of(root, revision)
    return Build(
        figures=figures,
        samples=samples,
        nodes=nodes_of(revision, rows_after(figures["metrics"]), timings),
        timings=timings,
        raw=raw_rows(root, params, samples),
        stale=stale,
        environment=environment_of(root, revision),
    )


def facts_of(root: Path, params: Params, is_current: bool) -> tuple[dict[str, Any], dict[str, Any]]:
    """The facts of the stage where they are those of this build; else of what is there by now."""
    files = root / FIGURES_FILE, root / SAMPLES_FILE
    if is_current and all(file.is_file() for file in files):
        figures, samples = (orjson.loads(file.read_bytes()) for file in files)
    else:
        # As they would be read, with lists for tuples.
        found = (collect(root, params, parts) for parts in (FIGURES, SAMPLES))
        figures, samples = (orjson.loads(orjson.dumps(facts)) for facts in found)
    return figures, samples


def timings_of(root: Path, revision: Revision) -> list[dict[str, Any]]:
    """The last run of each stage that there is, in the order of dvc.yaml."""
    timings = {t["stage"]: t for t in last_timings(state_folder(root) / "timings.jsonl")}
    names = [name_of(stage).replace("@", ":") for stage in revision.repo.index.stages]
    return [timings[name] for name in names if name in timings]


def nodes_of(revision: Revision, rows: dict[str, int], timings: list[dict[str, Any]]) -> list[Node]:
    """The stages of dvc.yaml, the entries of a `foreach` stage as one."""
    graph = revision.repo.index.graph
    groups: dict[str, list[Any]] = {}
    for stage in revision.repo.index.stages:
        groups.setdefault(group_of(stage), []).append(stage)
    nodes = []
    for name, stages in groups.items():
        needs = {group_of(need) for stage in stages for need in graph.successors(stage)} - {name}
        seconds = [t["seconds"] for t in timings if t["stage"].split(":")[0] == name]
        spent = sum(seconds) if seconds else None
        desc = stages[0].desc or ""
        nodes.append(Node(name, desc, len(stages), frozenset(needs), rows.get(name), spent))
    return nodes


def group_of(stage: Any) -> str:
    return name_of(stage).partition("@")[0]


def raw_rows(root: Path, params: Params, samples: dict[str, Any]) -> dict[str, Any]:
    """Place -> row before cleaning, of those that cleaning changed or dropped."""
    places = {at for change in samples["changes"] or () for at in change["places"]}
    drops = [drop for drop in samples["drops"] or () if drop["stage"] == "clean"]
    places |= {example["at"] for drop in drops for example in drop["examples"]}
    return {at: asdict(raw) for at, raw in read_raw(root, params, places)}


def environment_of(root: Path, revision: Revision) -> dict[str, str]:
    """Where the page was made, and what the build was pinned to."""
    scm = revision.repo.scm
    commit = "none yet" if scm.no_commits else scm.get_rev()[:12]
    pins = pinned_versions(root / "constraints/data.txt")
    pins |= pinned_versions(root / "constraints/train.txt")
    return {
        "commit": commit + (" with changes" if scm.is_dirty() else ""),
        "Python": platform.python_version(),
        "system": f"{platform.system()} {platform.machine()}",
        "packages": ", ".join(f"{name} {version}" for name, version in sorted(pins.items())),
    }
