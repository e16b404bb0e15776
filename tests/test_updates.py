"""The commands of docs/updates.md, in their order: new rows, a new model, keep or roll back."""

import json
import subprocess
from pathlib import Path

import pytest
from conftest import ROOT, change_params, git, run, write_rows
from ruamel.yaml import YAML
from test_pipeline import tree_hash

from sftlib.core.fingerprint import sha256_of
from sftlib.core.rows import read_folder

pytestmark = pytest.mark.slow
DOC = (ROOT / "docs/updates.md").read_text()
LINES = [line.strip() for line in DOC.splitlines() if line.startswith("    ")]

NEW = [
    {"prompt": f"name a zebra {n}", "completion": f"zebra {n * 7}" + " runs" * 20}
    for n in range(150)
]


def splits(project: Path) -> dict[str, str]:
    names = ("train", "validation", "test")
    folder = project / "data/split"
    return {row["id"]: name for name in names for row in read_folder(folder / name)}


def follow(project: Path, line: str) -> str:
    """Do what a line of the page says: change params.yaml, or run a command."""
    if line.startswith("base:"):
        commit = git(project, "rev-parse", "former")
        (section,) = YAML(typ="safe").load(line.replace("COMMIT", commit)).items()
        change_params(project, base_=section[1])
        return ""
    done = run(["bash", "-c", line], project)
    assert done.returncode == 0, (line, done.stdout, done.stderr)
    return done.stdout


def ran(output: str) -> list[str]:
    lines = output.splitlines()
    return [line.split("'")[1] for line in lines if line.startswith("Running stage")]


def compare(project: Path, *revisions: str) -> list[dict]:
    command = ["python", "-m", "sftlib.cli", "compare", *revisions, "--json"]
    done: subprocess.CompletedProcess[str] = run(command, project)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)["against"]


def test_the_page_from_new_rows_to_the_former_build(clone: Path) -> None:
    assert len(LINES) == 12
    lines = iter(LINES)
    before, model = splits(clone), tree_hash(clone / "models/final")
    former = sha256_of(clone / "models/final/model.safetensors")
    write_rows(clone / "new.jsonl", NEW)
    (clone / ".git/info/exclude").write_text("new.jsonl\n")

    outputs = [follow(clone, next(lines)) for _ in range(3)]
    assert ran(outputs[2]) == ["clean@a", "curate", "split"]
    after = splits(clone)
    order = ("train", "validation", "test")
    assert all(order.index(after[id]) >= order.index(split) for id, split in before.items())
    assert len(after) == len(before) + len(NEW)

    assert ran(follow(clone, next(lines)))[-4:] == ["train", "evaluate", "report", "release"]
    follow(clone, next(lines))
    assert ran(follow(clone, next(lines)))[0] == "base"
    assert sha256_of(clone / "models/base/model.safetensors") == former
    card = (clone / "models/final/README.md").read_text()
    commit = git(clone, "rev-parse", "former")
    assert f"Base model: `dvc:.#models/final@{commit}`" in card
    assert f"`model.safetensors` `{former}`" in card

    shown = follow(clone, next(lines))
    assert "On " in shown and " new test rows" in shown
    assert "Drift from former to from-former" in shown
    check_comparison(clone)

    for _ in range(3):
        follow(clone, next(lines))
    assert git(clone, "status", "--porcelain") == ""
    assert run(["dvc", "status"], clone).stdout == "Data and pipelines are up to date.\n"
    for line in lines:
        follow(clone, line)
    assert splits(clone) == before
    assert tree_hash(clone / "models/final") == model
    assert run(["dvc", "status"], clone).stdout == "Data and pipelines are up to date.\n"


def check_comparison(clone: Path) -> None:
    """Both models are compared with the former one, on former and on new test rows."""
    tests = {row["id"] for row in read_folder(clone / "data/split/test")}
    from_base, from_former = compare(clone, "former", "from-base", "from-former")
    for against in (from_base, from_former):
        counts, fresh = against["metrics"]["rows"], against["metrics"]["new_rows"]
        assert counts["only_before"] == 0
        assert fresh["not_asked"] == 0
        assert fresh["compared"] == counts["only_after"]
        assert counts["compared"] + fresh["compared"] == len(tests)
    # The same rows to the same model: it stood in both places.
    news = [against["metrics"]["new_rows"]["loss"] for against in (from_base, from_former)]
    assert news[0]["before"] == news[1]["before"]
    assert from_former["metrics"]["new_rows"]["loss"]["verdict"] == "better"
    # Many new rows of another kind, few former ones: what was learned of those fades.
    assert from_base["metrics"]["loss"]["gain"] < 0
    assert from_former["metrics"]["loss"]["gain"] < 0
    (alone,) = compare(clone, "former", "from-base")
    assert alone["metrics"]["new_rows"]["not_asked"] == len(tests) - counts["compared"]
    drift = from_base["drift"]["a"]
    assert 0 < drift["lengths"] < 1
    assert drift["languages"] is drift["labels"] is None
    assert drift["mean_characters"][0] < 32 < drift["mean_characters"][1]
    assert drift["words"] == 150 * 26
    numbers = set(range(81)) | {n * n + n for n in range(80)}
    unseen = 150 * (26 - 2) + sum((n not in numbers) + (7 * n not in numbers) for n in range(150))
    assert drift["unseen"] == round(unseen / drift["words"], 4)
