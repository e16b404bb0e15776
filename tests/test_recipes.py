"""Recipes: params that load, and each task through the whole graph with a small model."""

import shutil
import sys
from pathlib import Path
from typing import Any

import pytest
from conftest import ROOT, change_params, commit_all, git, new_project, repro, run, write_rows
from selectolax.lexbor import LexborHTMLParser
from test_pipeline import metrics
from test_tasks import tiny_bert  # noqa: F401, a fixture

from sftlib.core.params import load_params

RECIPES = sorted(path.name for path in (ROOT / "recipes").iterdir())


@pytest.mark.parametrize("name", RECIPES)
def test_recipes_are_params_and_nothing_else(name: str) -> None:
    assert [file.name for file in (ROOT / "recipes" / name).iterdir()] == ["params.yaml"]
    params = load_params(ROOT / "recipes" / name / "params.yaml")
    assert f"| `{name}` |" in (ROOT / "docs/recipes.md").read_text()
    for source in params.sources.values():
        assert source.path.removeprefix("data/raw/") in params.fetch


def sentences(n: int) -> list[dict[str, Any]]:
    nouns, places = ["cat", "ann"], ["rome", "the"]
    return [
        {"text": f"{nouns[i % 2]} sat in {places[i // 2 % 2]} " + "is " * (i // 4 % 9) + str(i),
         "label": ("bad", "good")[i % 2]}
        for i in range(n)
    ]  # fmt: skip


def as_conll(row: dict[str, Any]) -> str:
    tags = {"ann": "B-person", "rome": "B-city"}
    return "".join(f"{word}\t{tags.get(word, 'O')}\n" for word in row["text"].split())


NEW_T5 = {
    "uri": "new:t5",
    "config": {"d_model": 32, "d_ff": 32, "num_layers": 1, "num_heads": 2, "d_kv": 8},
    "licence": "CC0-1.0",
}


# What `sft show` has of "cat sat in rome 0", which is bad.
SHOWN = {"classify": "label bad", "tag": "rome/B-city", "seq2seq": "⟦b·a·d·</s>⟧"}


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory, tiny_bert: Path) -> Path:  # noqa: F811
    """A project whose base model is the small BERT, with one source of labelled texts."""
    project = new_project(tmp_path_factory.mktemp("tasks"), tiny_bert)
    (project / "data/raw/a.jsonl").unlink()
    rows = sentences(120)
    write_rows(project / "data/raw/labels.jsonl", rows)
    (project / "data/raw/tags.txt").write_text("\n".join(map(as_conll, rows)))
    change_params(
        project,
        tokenize={"max_tokens": 40, "tokens_per_pack": 256},
        train={"lr": 1e-2, "epochs": 3},
        curate={"near_duplicates": None},
    )
    return project


@pytest.mark.slow
@pytest.mark.parametrize(
    ("task", "source", "main", "tag"),
    [
        ("classify", "labels.jsonl", "macro_f1", "text-classification"),
        ("tag", "tags.txt", "entity_f1", "token-classification"),
        ("seq2seq", "labels.jsonl", "loss", "text2text-generation"),
    ],
)
def test_a_task_through_the_whole_graph(
    made: Path, task: str, source: str, main: str, tag: str
) -> None:
    forms = {"labels.jsonl": "text_label", "tags.txt": "conll"}
    entry = {"path": f"data/raw/{source}", "format": forms[source], "licence": "CC0-1.0"}
    change_params(made, task_=task, sources_={"a": entry})
    if task == "seq2seq":
        change_params(made, base_=NEW_T5)
    assert repro(made)[-5:] == ["tokenize", "train", "evaluate", "report", "release"]
    found = metrics(made, "evaluate")
    assert found["improvement"]["verdict"] == "better"
    assert found["improvement"][main] > 0
    card = (made / "models/final/README.md").read_text()
    assert f"pipeline_tag: {tag}" in card
    assert repro(made) == []
    shown = run(["python", "-m", "sftlib.cli", "summary"], made, COLUMNS="100")
    assert shown.returncode == 0, shown.stderr
    assert main in shown.stdout
    written = run(["python", "-m", "sftlib.cli", "report"], made)
    assert written.returncode == 0, written.stderr
    page = LexborHTMLParser((made / "reports/index.html").read_text())
    assert not page.css(".absent:lexbor-contains('Not built')")
    assert bool(page.css(".confusion td")) == (task != "seq2seq")
    assert bool(page.css(".tokens .learned")) == (task != "classify")
    assert page.css_first("#samples details") is not None
    first = run(["python", "-m", "sftlib.cli", "show", f"data/raw/{source}:1"], made)
    assert SHOWN[task] in " ".join(first.stdout.split()), first.stderr
    answers(task, made / "models/final")


def answers(task: str, final: Path) -> None:
    """The released model, through transformers alone."""
    from transformers import AutoModelForSeq2SeqLM, AutoTokenizer, pipeline

    if task == "seq2seq":
        tokenizer = AutoTokenizer.from_pretrained(final)
        ids = tokenizer("ann sat in rome 1", return_tensors="pt").input_ids
        output = AutoModelForSeq2SeqLM.from_pretrained(final).generate(ids, max_new_tokens=8)
        assert output.shape[0] == 1
        return
    kind = {"classify": "text-classification", "tag": "token-classification"}[task]
    (first, *_) = pipeline(kind, model=str(final))("ann sat in rome is")
    labels = {"classify": {"bad", "good"}, "tag": {"B-person", "B-city"}}[task]
    assert first.get("label", first.get("entity")) in labels


@pytest.mark.slow
def test_make_recipe(clone: Path) -> None:
    (clone / "recipes/same").mkdir(parents=True)
    shutil.copy(clone / "params.yaml", clone / "recipes/same/params.yaml")
    commit_all(clone)
    venv = Path(sys.executable).parents[1]
    make = ["make", "-o", f"{venv}/installed", f"VENV={venv}", "recipe"]
    done = run([*make, "NAME=same"], clone)
    assert done.returncode == 0, done.stderr
    assert "Running stage" not in done.stdout  # the cache is shared
    assert (clone / ".sft/recipes/same/models/final/model.safetensors").is_file()
    assert git(clone, "status", "--porcelain") == ""
    wrong = run([*make, "NAME=sam"], clone)
    assert wrong.returncode == 2
    assert "error: NAME=sam is no recipe: give one of" in wrong.stderr
