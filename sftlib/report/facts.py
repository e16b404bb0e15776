"""What a build did, gathered from its files: figures, and rows to look at.

Facts hold no durations, dates or places outside the repository, so their bytes follow from the
build. Each part needs files of certain stages; what has not been built yet is named as missing.
"""

from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import orjson

from sftlib.core.params import Params
from sftlib.report.answers import answers
from sftlib.report.contents import contents
from sftlib.report.drops import changes, drops
from sftlib.report.duplicates import duplicates
from sftlib.report.flow import flow
from sftlib.report.languages import languages
from sftlib.report.masks import masks
from sftlib.report.series import confusion, curves, lengths
from sftlib.report.stats import collect_stats, read_json

FIGURES_FILE = "data/report/figures.json"
SAMPLES_FILE = "data/report/samples.json"
ONE_FILE_STAGES = ("base", "curate", "split", "compose", "tokenize", "train", "evaluate")


@dataclass(frozen=True)
class Part:
    """A part of the facts, the files it is found in, and the stage that must have run for them."""

    stage: str
    needs: tuple[str, ...]
    find: Callable[[Path, Params], Any]


def built_params(root: Path, params: Params) -> dict[str, Any]:
    """All params but those that say how the build runs."""
    return {name: value for name, value in asdict(params).items() if name != "run"}


def metrics(root: Path, params: Params) -> dict[str, Any]:
    """The metrics files by stage, as far as the build came; `clean` by source."""
    folder = root / "metrics"
    files = {stage: folder / f"{stage}.json" for stage in ONE_FILE_STAGES}
    found = {stage: read_json(file) for stage, file in files.items() if file.is_file()}
    clean = {file.stem: read_json(file) for file in sorted((folder / "clean").glob("*.json"))}
    return {"clean": clean, **found}


def sources(root: Path, params: Params) -> dict[str, Any]:
    return collect_stats(root / "metrics")


METRICS = "metrics/clean", "metrics/curate.json", "metrics/split.json"
FIGURES = {
    "params": Part("clean", (), built_params),
    "metrics": Part("clean", METRICS[:1], metrics),
    "flow": Part("clean", METRICS[:1], flow),
    "sources": Part("split", METRICS, sources),
    "contents": Part("compose", ("data/composed",), contents),
    "languages": Part("split", ("data/split",), languages),
    "lengths": Part("tokenize", ("plots/lengths.csv",), lengths),
    "curves": Part("train", ("plots/train_loss.csv", "plots/validation_loss.csv"), curves),
    "confusion": Part("evaluate", ("data/evaluated",), confusion),
}
LEDGERS = "data/clean", "data/ledger/clean"
SAMPLES = {
    "changes": Part("clean", LEDGERS, changes),
    "drops": Part("clean", LEDGERS, drops),
    "duplicates": Part("curate", ("data/clean", "data/ledger/curate"), duplicates),
    "masks": Part("tokenize", ("data/tokenized", "models/base"), masks),
    "answers": Part("evaluate", ("data/evaluated", "data/composed"), answers),
}


def collect(root: Path, params: Params, parts: dict[str, Part]) -> dict[str, Any]:
    """Name -> part, null where files of it are missing; `missing`: name -> stage to build."""
    facts: dict[str, Any] = {}
    missing = {}
    for name, part in parts.items():
        is_there = all((root / path).exists() for path in part.needs)
        facts[name] = part.find(root, params) if is_there else None
        if not is_there:
            missing[name] = part.stage
    return {**facts, "missing": missing}


def write_facts(path: Path, facts: dict[str, Any]) -> None:
    path.write_bytes(orjson.dumps(facts, option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE))
