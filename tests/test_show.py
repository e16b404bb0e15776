"""`sft show`: the loss mask of a row and the runs of a pack."""

import json
import subprocess
from pathlib import Path

import pytest
from conftest import run
from rich.console import Console
from tokenizers import Tokenizer

from sftlib.cli.masks import Run, runs_of
from sftlib.cli.show import coloured, marked
from sftlib.report.tokens import Token, learned, tokens_of

slow = pytest.mark.slow


@pytest.fixture
def tokenizer(tiny_model: Path) -> Tokenizer:
    return Tokenizer.from_file(str(tiny_model / "tokenizer.json"))


def test_labels_mark_the_token_after_them() -> None:
    assert learned({"labels": [-100, 7, 8, -100]}) == [False, False, True, True]


def test_tokens_of_one_character_stand_together(tokenizer: Tokenizer) -> None:
    ids = tokenizer.encode("a你", add_special_tokens=False).ids
    assert len(ids) == 4
    tokens = tokens_of(tokenizer, ids, [False, True, True, True])
    assert tokens == [Token((ids[0],), "a", False), Token(tuple(ids[1:]), "你", True)]
    cut = tokens_of(tokenizer, ids[:2], [False, True])
    assert cut[1] == Token((ids[1],), "\ufffd", True)


def test_marks_without_a_terminal() -> None:
    tokens = [Token((1,), "a\n", False), Token((2,), "b", True), Token((3,), "\x1b[1m", True)]
    assert marked(tokens) == "a↵\n⟦b·\\x1b[1m⟧"


def test_labels_of_words() -> None:
    tokens = [Token((1,), "in ", True, "O"), Token((2,), "rome ", True, "B-city")]
    assert marked(tokens) == "⟦in/O ·rome/B-city ⟧"


def test_colours_on_a_terminal() -> None:
    console = Console(force_terminal=True, color_system="standard", width=80)
    with console.capture() as capture:
        console.print(coloured([Token((1,), "a", False), Token((2,), "b", True)]))
    assert capture.get() == "\x1b[2ma\x1b[0m\x1b[30;102mb\x1b[0m\n"


def test_runs_of_a_pack(tokenizer: Tokenizer) -> None:
    common = tokenizer.encode("the same system", add_special_tokens=False).ids
    assert len(common) >= 8
    rows = [{"input_ids": [*common, 50, 51], "labels": [-100] * len(common) + [51, -100]},
            {"input_ids": [*common, 52], "labels": [-100] * len(common) + [-100]}]  # fmt: skip
    end = len(common)
    assert runs_of(tokenizer, rows) == [
        Run(0, end, 0, [0, 1], "the same system"),
        Run(end, end + 2, 1, [0], tokenizer.decode([50, 51])),
        Run(end + 2, end + 3, 1, [1], tokenizer.decode([52])),
    ]


def sft(project: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return run(["python", "-m", "sftlib.cli", "show", *arguments], project, COLUMNS="120")


@slow
def test_a_row_of_a_build(built: Path) -> None:
    shown = sft(built, "data/raw/a.jsonl:8").stdout
    assert shown.startswith("data/raw/a.jsonl:8  ")
    assert "31 tokens, 7 learned (between ⟦ and ⟧)" in shown
    assert shown.endswith("⟦i·t· is· ·5·6·<|im_end|>⟧↵\n\n")
    row = json.loads(sft(built, "what is 7 times", "--json").stdout)
    assert "".join(token["text"] for token in row["tokens"]) == (
        "<|im_start|>user\nwhat is 7 times 8?<|im_end|>\n"
        "<|im_start|>assistant\nit is 56<|im_end|>\n"
    )
    text = "".join(token["text"] for token in row["tokens"] if token["learned"])
    assert text == "it is 56<|im_end|>"


@slow
def test_a_pack_of_a_build(built: Path) -> None:
    pack = json.loads(sft(built, "--pack", "0", "--json").stdout)
    assert pack["runs"][-1]["end"] == sum(row["tokens"] for row in pack["rows"])
    assert f"train, pack 0: {len(pack['rows'])} rows" in sft(built, "--pack", "0").stdout


@slow
def test_what_cannot_be_shown(built: Path, project: Path) -> None:
    for arguments, message in (
        (["--pack", "99"], "error: there is no pack 99: they are numbered 0 to "),
        (["nowhere"], "error: no cleaned row is at 'nowhere', has this id"),
        ([], "error: give either a ROW or --pack N"),
    ):
        done = sft(built, *arguments)
        assert done.returncode == 2
        assert done.stderr.startswith(message)
    assert "build with `dvc repro tokenize` first" in sft(project, "x").stderr
