"""The benchmark of curation on a few rows, without other libraries; and the truth it judges by."""

import json
import sys
from itertools import combinations
from pathlib import Path

import numpy as np
import pytest
from conftest import ROOT, run

from benchmarks.exact import gram_matrix, near_pairs
from benchmarks.judge import judge
from benchmarks.planted import planted_rows

WORDS = ["one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten"]
SAID = [" ".join(WORDS[i:] + WORDS[:i]) + f" {WORDS[i]}{i}" for i in range(10)] * 4


def brute_force(texts: list[str]) -> list[list[int]]:
    sets = []
    for text in texts:
        words = text.split()
        sets.append(
            {tuple(words[i : i + 3]) for i in range(max(1, len(words) - 2))} if words else set()
        )
    return [
        [a, b]
        for a, b in combinations(range(len(texts)), 2)
        if sets[a] and 10 * len(sets[a] & sets[b]) >= 8 * len(sets[a] | sets[b])
    ]


def test_the_exact_join_finds_what_all_comparisons_find() -> None:
    texts = [f"{prompt} {completion}" for prompt, completion in planted_rows(SAID, 150)]
    texts += ["one two", "two one", "one two", "", "", "one two three"]
    found = near_pairs(gram_matrix(iter(texts)))
    expected = brute_force(texts)
    assert sorted(found.tolist()) == expected
    assert [150, 152] in expected


def test_rows_are_judged_by_pairs() -> None:
    pairs = np.array([[0, 1], [1, 2], [4, 5]])

    def judged(*kept: int) -> dict[str, float]:
        return judge(pairs, np.array(kept), 7)

    assert judged(0, 2, 3, 4, 6) == {"rows dropped": 2, "recall": 1, "precision": 1}
    assert judged(1, 3, 5, 6) == {"rows dropped": 3, "recall": 1, "precision": 1}
    assert judged(0, 2, 3, 4, 5) == {"rows dropped": 2, "recall": 0.5, "precision": 0.5}
    assert judged(*range(7)) == {"rows dropped": 0, "recall": 0, "precision": 1}


Values = dict[tuple[str, str, str], float]


def measured(folder: Path, *cases: str, **options: object) -> Values:
    """(case, system, metric) -> value, of a run in `folder` with turns of our own."""
    turns = [[{"text": text}] for text in SAID]
    (folder / "turns").mkdir()
    (folder / "turns/dataset.json").write_text(json.dumps({"talk": {"messages": turns}}))
    options = {"json": folder / "figures.json", "folder": folder, "runs": 1, **options}
    given = [word for name, value in options.items() for word in (f"--{name}", str(value))]
    chosen = [word for case in cases for word in ("--case", case)]
    done = run([sys.executable, "-m", "benchmarks.curation", *given, *chosen], ROOT)
    assert done.returncode == 0, done.stderr
    figures = json.loads((folder / "figures.json").read_text())
    assert all(list(f) == ["case", "system", "metric", "value", "unit"] for f in figures)
    values = {(f["case"], f["system"], f["metric"]): f["value"] for f in figures}
    assert len(values) == len(figures)
    return values


def test_a_run_without_peers(tmp_path: Path) -> None:
    old = {"case": "near_dup_52k", "system": "x", "metric": "recall", "value": 0.5, "unit": ""}
    kept = {**old, "case": "near_dup_520k"}
    (tmp_path / "figures.json").write_text(json.dumps([old, kept]))
    cases = ("clean_dedup_52k", "near_dup_52k", "cold_start")
    values = measured(tmp_path, *cases, scale=0.004)
    assert values.pop(("near_dup_520k", "x", "recall")) == 0.5
    assert {(case, system) for case, system, _ in values} == {(case, "ours") for case in cases}
    assert values["near_dup_52k", "ours", "recall"] == 1
    assert values["near_dup_52k", "ours", "precision"] == 1
    assert values["near_dup_52k", "ours", "rows dropped"] > 0
    assert values["cold_start", "ours", "heavy imports"] == 0
    assert 0 < values["clean_dedup_52k", "ours", "rows kept"] < 208


@pytest.mark.slow
def test_ids_and_masks_are_those_of_the_template(tiny_model: Path, tmp_path: Path) -> None:
    values = measured(tmp_path, "tokenize_52k", scale=0.002, model=tiny_model)
    for way in ("ours", "apply_chat_template", "encode_batch"):
        assert values["tokenize_52k", way, "identical"] == 1
