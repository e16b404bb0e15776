"""docs/small-data.md: its params load; the first of them build, explain themselves and repeat."""

import json
import re
from pathlib import Path
from typing import Any

import pytest
from conftest import ROOT, change_params, new_project, repro, run, write_rows
from ruamel.yaml import YAML
from test_pipeline import metrics
from test_recipes import sentences
from test_tasks import tiny_bert  # noqa: F401, a fixture

from sftlib.core.augmentations import Paraphrase
from sftlib.core.params import load_params
from sftlib.core.rows import read_folder

PAGE = (ROOT / "docs/small-data.md").read_text()
BLOCKS = [
    YAML(typ="safe").load(block) for block in re.findall(r"(?:^    .*\n)+", PAGE, re.MULTILINE)
]


def test_the_rewordings_of_the_page_load(tmp_path: Path) -> None:
    (tmp_path / "params.yaml").write_text((ROOT / "params.yaml").read_text())
    change_params(tmp_path, **BLOCKS[1])
    (found,) = load_params(tmp_path / "params.yaml").compose.augment or ()
    assert isinstance(found, Paraphrase)
    assert found.rewordings[0].prompts == (r"Tell me what \1 is.", r"Explain \1.")


def sft(project: Path, *arguments: str) -> Any:
    done = run(["python", "-m", "sftlib.cli", *arguments, "--json"], project)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


@pytest.mark.slow
def test_a_build_with_all_of_it(tmp_path: Path, tiny_bert: Path) -> None:  # noqa: F811
    project = new_project(tmp_path, tiny_bert)
    rows = sentences(120)
    write_rows(project / "data/raw/labels.jsonl", rows[:80])
    write_rows(project / "data/raw/more.jsonl", [{"text": row["text"]} for row in rows[60:]])
    source = {"path": "data/raw/labels.jsonl", "format": "text_label", "licence": "CC0-1.0"}
    change_params(
        project,
        task_="classify",
        sources_={"a": source},
        curate={"near_duplicates": None},
        tokenize={"max_tokens": 40, "tokens_per_pack": 256},
        train={"lr": 1e-2, "epochs": 2},
    )
    change_params(project, **BLOCKS[0])
    assert repro(project, "train")[-4:] == ["split", "compose", "tokenize", "train"]
    composed = metrics(project, "compose")["train"]
    guessed = composed["by_source"]["more"]["changed"]["pseudo_labelled"]
    assert composed["rows_in"] == composed["kept"] + sum(composed["dropped"].values())
    assert composed["written"] == composed["kept"] + sum(composed["added"].values())
    assert set(composed["added"]) == {"typos", "replace_words"}
    for name in ("validation", "test"):
        for file in (project / "data/split" / name).rglob("*.jsonl"):
            copy = project / "data/composed" / file.relative_to(project / "data/split")
            assert copy.read_bytes() == file.read_bytes()
        assert {row["source"] for row in read_folder(project / "data/split" / name)} == {"a"}
    stats = sft(project, "stats")["more"]
    assert stats["added"]["pseudo_labelled"] == guessed > 0
    explained(project)
    assert repro(project, "train") == []
    loss = metrics(project, "train")["train"]["first_loss"]
    change_params(project, train={"r_drop": None})
    assert repro(project, "train") == ["train"]
    assert metrics(project, "train")["train"]["first_loss"] != loss


def explained(project: Path) -> None:
    """A row that was made, its origin, and a row whose label was guessed, all by `sft why`."""
    made = next(read_folder(project / "data/ledger/compose/augmented"))
    (life,) = sft(project, "why", made["id"])
    assert (life["at"], life["origin"]) == (made["at"], made["origin"])
    assert life["events"][0]["detail"] == f"{made['by']} of {made['origin']}"
    assert [event["stage"] for event in life["events"]] == ["compose", "tokenize"]
    assert life["raw"]["id"] == made["origin"]
    (origin,) = sft(project, "why", made["origin"])
    events = [(event["outcome"], event["detail"]) for event in origin["events"]]
    assert ("augmented", f"{made['by']} made {made['id']}") in events
    guess = next(read_folder(project / "data/ledger/compose/pseudo_labelled"))
    (life,) = sft(project, "why", guess["id"])
    shown = f"{guess['label']!r} with {guess['confidence']:.3f}"
    assert ("pseudo-labelled", shown) in [(e["outcome"], e["detail"]) for e in life["events"]]
