"""How much of each source and language is kept: in the metrics, in `sft stats`, and as a limit."""

import json
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
from conftest import ROOT, change_params, run, write_rows

from sftlib.report.stats import collect_stats

ENGLISH = "The river runs slowly through the green valley and into the sea."
FRENCH = "La rivière coule lentement à travers la vallée verte jusqu'à la mer."
ROWS: list[dict[str, object]] = [
    {"prompt": "Write!", "completion": ENGLISH},
    {"prompt": "Write!", "completion": f"{ENGLISH} It is so."},
    {"prompt": "Écris !", "completion": FRENCH},
    {"prompt": "2+2?", "completion": "4"},
    {"prompt": "Say it.", "completion": "n/a"},
    {"promt": "a", "completion": "b"},
]


def clean(root: Path, **limits: Any) -> subprocess.CompletedProcess[str]:
    for folder in ("sftlib", "stages", "constraints"):
        shutil.copytree(ROOT / folder, root / folder)
    shutil.copy(ROOT / "params.yaml", root)
    source = {"path": "data/raw/a.jsonl", "format": "prompt_completion", "licence": "CC0-1.0"}
    operators = [{"name": "language", "keep": ["en"]}, {"name": "empty_answer"}]
    settings: dict[str, Any] = {"max_dropped": 0.5, "operators": operators, **limits}
    change_params(root, sources_={"a": source}, clean=settings)
    write_rows(root / "data/raw/a.jsonl", ROWS)
    return run(["python", "-m", "stages.clean", "a"], root)


def test_metrics_and_stats(tmp_path: Path) -> None:
    assert clean(tmp_path, min_kept=0.6).returncode == 0
    metrics = json.loads((tmp_path / "metrics/clean/a.json").read_text())
    assert metrics == {
        "rows_in": 6,
        "kept": 3,
        "dropped": {"empty_answer": 1, "language": 1, "missing_field": 1},
        "languages": {"en": 2},
        "languages_dropped": {"fr": 1},
        "kept_share": 0.5,
        "kept_share_by_language": {"en": 1.0, "fr": 0.0},
    }
    curate = {"by_source": {"a": {"kept": 2, "dropped": {"exact_duplicate": 1}}}}
    split = {"by_source": {"train": {"a": 2}, "validation": {}, "test": {}}}
    for name, found in (("curate", curate), ("split", {**split, "dropped_by_source": {}})):
        (tmp_path / f"metrics/{name}.json").write_text(json.dumps(found))
    assert collect_stats(tmp_path / "metrics")["a"] == {
        "rows": 6,
        "cleaned": 3,
        "curated": 2,
        "kept_share": 0.3333,
        "splits": {"train": 2, "validation": 0, "test": 0},
        "languages": {"en": [2, 2], "fr": [1, 0]},
        "dropped": {"empty_answer": 1, "language": 1, "missing_field": 1, "exact_duplicate": 1},
        "added": {},
    }
    for arguments, shown in (((), "33.3%"), (("--json",), '"kept_share":0.3333')):
        command = ["python", "-m", "sftlib.cli", "stats", *arguments]
        done = run(command, tmp_path, COLUMNS="140")
        assert shown in done.stdout, done.stderr


@pytest.mark.parametrize(("min_kept", "code"), [(None, 0), (0.6, 0), (0.61, 3)])
def test_a_source_that_falls_below_min_kept_ends_the_build(
    tmp_path: Path, min_kept: float | None, code: int
) -> None:
    done = clean(tmp_path, min_kept=min_kept)
    assert done.returncode == code
    if code:
        assert done.stderr.splitlines() == [
            "error: sources.a: operators leave 3 of 5 sound rows, less than clean.min_kept (0.61) "
            "asks for:",
            f"  data/raw/a.jsonl:3: language: {done.stderr.split('language: ')[1].splitlines()[0]}",
            "  data/raw/a.jsonl:5: empty_answer: turn 2 is only 'n/a'",
            "  data/raw/a.jsonl:6: missing_field: no 'prompt' among the fields 'promt', "
            "'completion'; did you mean 'promt'?",
            "look at the rows with `sft why`, then change clean.operators or clean.min_kept",
        ]
        assert not (tmp_path / "data/clean/a").exists()
