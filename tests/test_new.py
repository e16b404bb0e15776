"""`sft new`: a project from a recipe and a data file, and what does not fit."""

import json
import shlex
import subprocess
from dataclasses import replace
from pathlib import Path

import pytest
from conftest import ROOT, change_params, commit_all, git, questions, run, write_rows

from sftlib.cli.acquaint import Wish, key_of, suffix_of
from sftlib.cli.new import parse_columns, print_new
from sftlib.cli.recipe import compose_params, recipes
from sftlib.core.errors import SftError, UsageError
from sftlib.core.params import Source, load_params

COMMENT = "# share of the steps"
IDENTITY = {
    f"GIT_{who}_{what}": value
    for who in ("AUTHOR", "COMMITTER")
    for what, value in (("NAME", "Test"), ("EMAIL", "test@localhost"))
}


@pytest.mark.parametrize("name", recipes(ROOT))
def test_params_have_the_choices_of_the_recipe_and_our_comments(name: str, tmp_path: Path) -> None:
    recipe = recipes(ROOT)[name]
    source = Source("data/raw/mine.csv", "text_label", "CC0-1.0", columns={"text": "body"})
    text = compose_params(ROOT / "params.yaml", recipe, "mine", source)
    (tmp_path / "params.yaml").write_text(text)
    made, wanted = load_params(tmp_path / "params.yaml"), load_params(recipe)
    compose = replace(wanted.compose, caps=None, weights=None)
    wanted = replace(wanted, fetch={}, sources={"mine": source}, compose=compose)
    assert made == wanted
    assert COMMENT in text
    entry = "{path: data/raw/mine.csv, format: text_label, licence: CC0-1.0, columns: {text: body}}"
    assert f"sources:\n  mine: {entry}\n" in text


def test_names_of_sources() -> None:
    pairs = {"My Data.v2.jsonl.gz": ("my-data-v2", ".jsonl.gz"), "ä.csv": ("data", ".csv")}
    for name, (key, suffix) in pairs.items():
        assert (key_of(Path(name)), suffix_of(Path(name))) == (key, suffix)


def sft_new(project: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return run(["python", "-m", "sftlib.cli", "new", *arguments], project, **IDENTITY)


def test_what_does_not_fit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    for name, value in IDENTITY.items():
        monkeypatch.setenv(name, value)
    chats, odd, text = tmp_path / "chats.jsonl", tmp_path / "odd.jsonl", tmp_path / "x.txt"
    write_rows(chats, questions(0, 3))
    write_rows(odd, [{"ask": "a", "say": "b"}])
    text.write_text("a b\n")
    wish = Wish(tmp_path / "mine", "default", chats, "auto", None, "unknown")
    for changes, code, message in (
        ({"folder": tmp_path}, 2, f"{tmp_path} is not empty: give a folder"),
        ({"folder": ROOT / "x"}, 2, "lies in this repository"),
        ({"data": tmp_path / "none"}, 2, f"--data {tmp_path}/none: there is no such file"),
        ({"recipe": "newss"}, 2, "sentiment-zh; did you mean 'news'?"),
        ({"format": "message"}, 2, "chitchat, aligned_files; did you mean 'messages'?"),
        ({"data": odd}, 2, "odd.jsonl has the fields 'ask', 'say': no format: give --format, one "),
        ({"data": text}, 3, "files only; or give --format, one of alpaca, "),
        (
            {"recipe": "news"},
            2,
            f"--recipe news is of task classify, but the rows of {chats} have no label: give other "
            "data, or one of the recipes default, dialogue, pinyin",
        ),
        ({"data": odd, "format": "messages"}, 3, "format messages: missing_field: "),
    ):
        with pytest.raises(SftError) as error:
            print_new(replace(wish, **changes))
        assert message in str(error.value)
        assert error.value.exit_code == code
    with pytest.raises(UsageError, match="--column a: write OURS=THEIRS"):
        parse_columns(["text=body", "a"])
    assert sorted(tmp_path.iterdir()) == [chats, odd, text]


def test_large_data_are_tracked_by_dvc_and_columns_are_renamed(
    project: Path, tmp_path: Path
) -> None:
    rows = [{"body": f"{n} " + "good news " * 600, "topic": "a"} for n in range(1000)]
    write_rows(tmp_path / "Big News.jsonl", rows)
    columns = ["--column", "text=body", "--column", "label=topic"]
    (tmp_path / "mine").mkdir()
    done = sft_new(
        project, str(tmp_path / "mine"), "--data", str(tmp_path / "Big News.jsonl"),
        "--recipe", "news", "--licence", "MIT", *columns,
    )  # fmt: skip
    assert (done.returncode, done.stderr) == (0, "")
    assert "format text_label, licence MIT, tracked by DVC" in done.stdout
    mine = tmp_path / "mine"
    assert git(mine, "status", "--porcelain") == ""
    assert git(mine, "ls-files", "data/raw").split() == [
        "data/raw/.gitignore", "data/raw/big-news.jsonl.dvc",
    ]  # fmt: skip
    assert (mine / "data/raw/big-news.jsonl").stat().st_size > 5_000_000
    assert load_params(mine / "params.yaml").sources["big-news"].format == "text_label"


@pytest.mark.slow
def test_a_project_builds_and_takes_up_what_is_new(built: Path, tmp_path: Path) -> None:
    """The commands of docs/your-own-project.md."""
    doc = (ROOT / "docs/your-own-project.md").read_text().splitlines()
    made, *others = [shlex.split(line) for line in doc if line.startswith("    ")]
    upstream, mine = tmp_path / "upstream", tmp_path / "mine"
    git(tmp_path, "clone", "-q", str(built), "upstream")
    git(upstream, "remote", "remove", "origin")
    git(upstream, "branch", "-qM", "main")
    write_rows(tmp_path / "mine.jsonl", questions(100, 180))
    done = run(made, upstream, **IDENTITY)
    assert (done.returncode, done.stderr) == (0, "")
    assert git(mine, "remote", "get-url", "upstream") == str(upstream)
    assert git(mine, "log", "-1", "--format=%s") == "Start from recipe default with mine.jsonl"
    assert not (mine / "dvc.lock").exists()

    (upstream / "sftlib/new_room.py").write_text("")
    change_params(upstream, run={"workers": 3})
    (upstream / "metrics/train.json").write_text("{}\n")
    commit_all(upstream)
    for command in others:
        done = run(command, mine, **IDENTITY)
        assert done.returncode == 0, (command, done.stderr)
    assert (mine / "sftlib/new_room.py").exists()
    params = load_params(mine / "params.yaml")
    assert (params.run.workers, list(params.sources)) == (3, ["mine"])
    assert json.loads((mine / "metrics/clean/mine.json").read_text())["kept"] == 80
    assert json.loads((mine / "metrics/train.json").read_text())["steps"] > 0
