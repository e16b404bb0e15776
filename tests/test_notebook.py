"""docs/notebook.py: as a script and as a notebook, on two builds whose figures are known."""

import json
from pathlib import Path

import nbformat
import pytest
from conftest import ROOT, change_params, git, questions, repro, run, write_rows

pytestmark = pytest.mark.slow
NOTEBOOK = ROOT / "docs/notebook.py"


def two_builds(clone: Path) -> None:
    """The commit has 80 rows of a; here b brings 10 of them again, 20 others and 2 faulty ones.

    Nothing is trained on them, to save time: the metrics that a training would change are written.
    """
    faulty: list[dict[str, object]] = [{"prompt": "one"}, {"prompt": "1 2 3", "completion": "n/a"}]
    write_rows(clone / "data/raw/b.jsonl", [*questions(70, 100), *faulty])
    entry = {"format": "prompt_completion", "licence": "CC0-1.0"}
    a, b = ({"path": f"data/raw/{name}.jsonl", **entry} for name in "ab")
    change_params(clone, sources_={"a": a, "b": b}, train={"lr": 0.002}, clean={"max_dropped": 0.1})
    repro(clone, "curate")
    metrics = clone / "metrics/evaluate.json"
    found = json.loads(metrics.read_text())
    found["tuned"]["loss"] = 1.25
    metrics.write_text(json.dumps(found))


def scores(project: Path) -> dict[str, dict[str, float]]:
    found = json.loads((project / "metrics/evaluate.json").read_text())
    return {model: found[model] for model in ("base", "tuned")}


def test_tables_of_two_builds(clone: Path, built: Path) -> None:
    two_builds(clone)
    done = run(["python", "docs/notebook.py"], clone)
    assert done.returncode == 0, done.stderr
    lines = [line.split() for line in done.stdout.splitlines()]

    assert lines[0] == ["HEAD", "here"]
    assert ["clean.max_dropped", "0.05", "0.1"] in lines
    assert ["train.lr", "0.001", "0.002"] in lines
    assert ["sources.b.path", "NaN", "data/raw/b.jsonl"] in lines
    assert sum(len(line) == 3 and "." in line[0] for line in lines) == 5

    former, now = scores(built), scores(clone)
    assert (now["tuned"]["loss"], former["tuned"]["loss"] > 5) == (1.25, True)
    for name in ("loss", "perplexity", "rouge_l"):
        values = [found[model][name] for found in (former, now) for model in ("base", "tuned")]
        assert [name, *(f"{value:.4f}" for value in values)] in lines

    drops = lines.index(["stage", "source", "reason"]) + 1
    assert lines[drops : drops + 3] == [
        ["clean", "b", "empty_answer", "0", "1"],
        ["missing_field", "0", "1"],
        ["curate", "b", "exact_duplicate", "0", "10"],
    ]
    evaluated = (clone / "data/evaluated/rows.jsonl").read_text().splitlines()
    rows = sorted(map(json.loads, evaluated), key=lambda r: -r["tuned"]["loss_sum"] / r["labels"])
    worst = [rows[0][model]["loss_sum"] / rows[0]["labels"] for model in ("base", "tuned")]
    assert [rows[0]["id"], *(f"{loss:.4f}" for loss in worst)] in lines
    assert git(clone, "status", "--porcelain", "docs") == ""


def test_it_is_a_notebook(tmp_path: Path) -> None:
    target = tmp_path / "notebook.ipynb"
    done = run(["jupytext", "--to", "notebook", str(NOTEBOOK), "-o", str(target)], ROOT)
    assert done.returncode == 0, done.stderr
    notebook = nbformat.read(target, as_version=4)
    nbformat.validate(notebook)
    kinds = [cell.cell_type for cell in notebook.cells]
    assert (kinds.count("markdown"), kinds.count("code")) == (6, 6)
    back = run(["jupytext", "--to", "py:percent", str(target), "-o", "-"], ROOT)
    code = [line for line in back.stdout.splitlines() if not line.startswith("#")]
    assert code == [line for line in NOTEBOOK.read_text().splitlines() if line[:1] != "#"]
