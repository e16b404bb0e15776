"""The facts of a build, exactly; pieces of the page by themselves."""

import json
from pathlib import Path
from typing import Any

import pytest
from conftest import ROOT, write_rows
from tokenizers import Tokenizer

from sftlib.core.labels import TAGS, LabelSet
from sftlib.core.params import Params, load_params
from sftlib.page.axes import scale
from sftlib.page.confusion import confusion_table
from sftlib.page.edits import segments
from sftlib.page.figures import comparison, slices, tree
from sftlib.page.graph import Node, columns, direct, duration
from sftlib.page.svg import element, text
from sftlib.report.answers import answers
from sftlib.report.contents import contents
from sftlib.report.drops import changes, drops
from sftlib.report.duplicates import duplicates
from sftlib.report.facts import FIGURES, collect
from sftlib.report.flow import flow
from sftlib.report.languages import languages
from sftlib.report.masks import chosen, tag_marks, target_marks
from sftlib.report.series import confusion, lengths
from sftlib.report.tokens import Token


@pytest.fixture
def params(tmp_path: Path) -> Params:
    (tmp_path / "params.yaml").write_text((ROOT / "params.yaml").read_text())
    return load_params(tmp_path / "params.yaml")


def write_json(path: Path, value: Any) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(value))


def chat(id: str, *said: str) -> dict[str, Any]:
    roles = ("user", "assistant") * len(said)
    turns = [{"role": role, "content": words} for role, words in zip(roles, said, strict=False)]
    return {"id": id, "source": "a", "messages": turns}


def test_the_flow_accounts_for_every_row(tmp_path: Path, params: Params) -> None:
    folder = tmp_path / "metrics"
    write_json(folder / "clean/a.json", {"rows_in": 60, "kept": 57, "dropped": {"echo": 3}})
    write_json(folder / "clean/b.json", {"rows_in": 40, "kept": 40, "dropped": {}})
    assert [step["left"] for step in flow(tmp_path, params)] == [100, 97]
    write_json(folder / "curate.json", {"dropped": {"near_duplicate": 2, "exact_duplicate": 5}})
    write_json(folder / "split.json", {"dropped": {}, "validation": 10, "test": 20})
    train = {"kept": 55, "written": 65, "dropped": {"over_cap": 5}}
    write_json(folder / "compose.json", {"train": train})
    write_json(folder / "tokenize.json", {"train": {"dropped": {"too_long": 1}}})
    steps = flow(tmp_path, params)
    assert [(s["stage"], s["what"], s["rows"], s["left"]) for s in steps] == [
        ("fetch", "rows", 100, 100),
        ("clean", "echo", -3, 97),
        ("curate", "exact_duplicate", -5, 92),
        ("curate", "near_duplicate", -2, 90),
        ("split", "held out: validation", -10, 80),
        ("split", "held out: test", -20, 60),
        ("compose", "over_cap", -5, 55),
        ("compose", "repeated", 10, 65),
        ("tokenize", "too_long", -1, 64),
    ]


def test_duplicates_stand_with_their_keeper(tmp_path: Path, params: Params) -> None:
    write_rows(tmp_path / "data/clean/a/a.jsonl", [chat(id, f"text {id}", "yes") for id in "abcd"])
    keeper = {"id": "a", "at": "data/raw/a.jsonl:1"}
    entries = [
        {"id": id, "at": f"data/raw/a.jsonl:{n}", "reason": "exact_duplicate", "detail": "equal",
         "keeper": keeper}
        for n, id in enumerate("bcaaa", 2)
    ]  # fmt: skip
    entries.append(
        {"id": "d", "at": "x:9", "reason": "contradiction", "detail": "", "keeper": None}
    )
    write_rows(tmp_path / "data/ledger/curate/dropped/a/a.jsonl", entries)
    (kind,) = duplicates(tmp_path, params)
    assert (kind["reason"], kind["rows"], kind["keepers"]) == ("exact_duplicate", 5, 1)
    (group,) = kind["groups"]
    assert group["keeper"] == {
        "at": "data/raw/a.jsonl:1",
        "turns": [("user", "text a"), ("assistant", "yes")],
    }
    assert group["rows"] == 5
    assert [row["at"] for row in group["dropped"]] == [f"data/raw/a.jsonl:{n}" for n in (2, 3, 4)]
    found = {drop["reason"]: drop for drop in dropped_in(tmp_path, params)}
    assert (found["exact_duplicate"]["rows"], found["exact_duplicate"]["examples"]) == (5, [])
    (example,) = found["contradiction"]["examples"]
    assert example["turns"] == [("user", "text d"), ("assistant", "yes")]


def dropped_in(root: Path, params: Params) -> list[dict[str, Any]]:
    (root / "data/ledger/clean").mkdir(parents=True, exist_ok=True)
    return drops(root, params)


def test_changes_name_places_of_three_different_rows(tmp_path: Path, params: Params) -> None:
    names = ["nfc", "pii"]
    kept = [{"id": str(n // 3), "at": f"x:{n}", "changed": names[: n % 3]} for n in range(9)]
    write_rows(tmp_path / "data/ledger/clean/a/kept/a.jsonl", kept)
    assert changes(tmp_path, params) == [
        {"change": "nfc", "rows": 6, "places": ["x:1", "x:4", "x:7"]},
        {"change": "pii", "rows": 3, "places": ["x:2", "x:5", "x:8"]},
    ]


def test_contents_count_labels_tags_scores_and_turns(tmp_path: Path, params: Params) -> None:
    rows: dict[str, list[dict[str, Any]]] = {
        "train": [chat("1", "a", "b", "c", "d"), chat("2", "a", "b")],
        "validation": [{"text": "x", "label": ["p", "q"]}, {"text": "x", "label": "p"}],
        "test": [{"words": ["a", "b"], "tags": ["O", "O"]}]
        + [{"text": "x", "label": score} for score in (0.0, 0.5, 1.0)],
    }
    for split, lines in rows.items():
        path = tmp_path / f"data/composed/{split}/a/a.jsonl"
        write_rows(path, [{"id": "1", "source": "a", **line} for line in lines])
    found = contents(tmp_path, params)
    assert found["sources"] == [{"value": "a", "train": 2, "validation": 2, "test": 4}]
    assert [(x["value"], x["train"]) for x in found["turns"]] == [("1", 1), ("2", 1)]
    assert [(x["value"], x["validation"]) for x in found["labels"]] == [("p", 2), ("q", 1)]
    assert [(x["value"], x["test"]) for x in found["tags"]] == [("O", 2)]
    ranges = [(x["value"], x["test"]) for x in found["scores"]]
    assert ranges == [("0 to 0.1", 1), ("0.5 to 0.6", 1), ("0.9 to 1", 1)]


def test_languages_are_guessed(tmp_path: Path, params: Params) -> None:
    rows = [
        chat("1", "Where is the railway station, please?", "It is behind the old town hall."),
        chat("2", "Wo ist bitte der Bahnhof in dieser Stadt?", "Er liegt hinter dem Rathaus."),
        chat("3", "1 + 1?", "2"),
    ]
    write_rows(tmp_path / "data/split/train/a/a.jsonl", rows)
    found = languages(tmp_path, params)
    assert (found["rows"], found["of"]) == (3, 3)
    assert {line["language"]: line["rows"] for line in found["table"]} == {
        "en": 1, "de": 1, "not told": 1,
    }  # fmt: skip


def test_series(tmp_path: Path, params: Params) -> None:
    (tmp_path / "plots").mkdir()
    (tmp_path / "plots/lengths.csv").write_text("split,tokens,rows\ntrain,32,5\ntest,64,1\n")
    found = lengths(tmp_path, params)
    assert found == {"train": [[32, 5]], "validation": [], "test": [[64, 1]]}
    (tmp_path / "data/evaluated").mkdir(parents=True)
    assert confusion(tmp_path, params) is None
    pairs = "actual,predicted\na,a\na,b\na,a\n"
    (tmp_path / "data/evaluated/confusion.csv").write_text(pairs)
    matrix = confusion_table(confusion(tmp_path, params) or {})
    assert (matrix["names"], matrix["left_out"]) == (["a", "b"], 0)
    assert [cell["labels"] for cell in dict(matrix["lines"])["a"]] == [2, 1]
    assert dict(matrix["lines"])["a"][0]["share"] == pytest.approx(2 / 3)
    assert matrix["errors"] == [{"actual": "a", "predicted": "b", "labels": 1}]


def test_the_hardest_labelled_rows(tmp_path: Path, params: Params) -> None:
    lines = [
        {"id": str(n), "source": "a", "tuned": {"loss_sum": n / 2}, "gold": ["x"],
         "predicted": ["y"]}
        for n in range(30)
    ]  # fmt: skip
    write_rows(tmp_path / "data/evaluated/rows.jsonl", lines)
    rows = [{"id": str(n), "source": "a", "text": f"text {n}", "label": "x"} for n in range(30)]
    write_rows(tmp_path / "data/composed/test/a/a.jsonl", rows)
    found = answers(tmp_path, params)
    assert len(found) == params.evaluate.samples
    assert found[0] == {
        "source": "a", "turns": [("text", "text 29"), ("label", "x")], "gold": "x",
        "predicted": "y", "loss": 14.5,
    }  # fmt: skip


def test_tokens_of_tags_and_of_targets(tiny_model: Path) -> None:
    tokenizer = Tokenizer.from_file(str(tiny_model / "tokenizer.json"))
    ids = tokenizer.encode("ab", add_special_tokens=False).ids
    labels = LabelSet(TAGS, ("B", "O"), (1, 1), 2)
    marked = tag_marks({"input_ids": ids, "labels": [1, -100]}, tokenizer, labels)
    assert marked == [Token((ids[0],), "a ", True, "O"), Token((ids[1],), "b ", False)]
    marked = target_marks({"input_ids": ids, "labels": ids[:1]}, tokenizer, None)
    read = [Token((ids[0],), "a", False), Token((ids[1],), "b", False)]
    assert marked == [*read, Token((ids[0],), "a", True)]


def test_every_source_shows_some_rows() -> None:
    sources = ["a"] * 9 + ["b"] * 2 + ["c"] * 3
    ids = [f"{n:02}" for n in range(14)]
    assert chosen(ids, sources) == [0, 1, 9, 10, 11, 12]
    assert chosen(["1", "1", "2"], ["a", "a", "a"]) == [0, 2]  # weights repeat rows


def test_what_is_missing_names_its_stage(tmp_path: Path, params: Params) -> None:
    write_json(tmp_path / "metrics/clean/a.json", {"rows_in": 1, "kept": 1, "dropped": {}})
    assert collect(tmp_path, params, FIGURES)["missing"] == {
        "sources": "split",
        "contents": "compose",
        "languages": "split",
        "lengths": "tokenize",
        "curves": "train",
        "confusion": "evaluate",
    }


def test_edits_begin_shortly_before_the_first_difference() -> None:
    assert segments("same", "same") == [("same", "same")]
    found = segments("x" * 100 + " old", "x" * 100 + " new")
    assert found[0] == ("same", "… ")
    assert found[2:] == [("removed", "old"), ("added", "new")]
    assert segments("e\u0301", "é", spelled=True) == [
        ("removed", "e\\u0301"), ("added", "\\xe9"),
    ]  # fmt: skip
    assert segments("a\n", "a") == [("same", "a"), ("removed", "↵\n")]


def test_the_graph_leaves_out_edges_that_follow() -> None:
    needs = {"fetch": "", "clean": "fetch", "base": "", "train": "clean base", "end": "train base"}
    nodes = [Node(name, "", 1, frozenset(of.split())) for name, of in needs.items()]
    assert columns(nodes) == {"fetch": 0, "clean": 1, "base": 0, "train": 2, "end": 3}
    assert direct(nodes)["end"] == {"train"}
    assert direct(nodes)["train"] == {"clean", "base"}


def test_round_numbers() -> None:
    assert scale([0.0, 873.0], 0, 100).ticks == (0.0, 250.0, 500.0, 750.0, 1000.0)
    assert scale([0.0, 873.0], 0, 100)(500) == 50
    assert scale([2.0, 2.0], 0, 1).ticks[0] < 2 < scale([2.0, 2.0], 0, 1).ticks[-1]
    assert [duration(s) for s in (2.345, 151, 7265)] == ["2.3 s", "2:31 min", "2:01 h"]


def test_metrics_side_by_side() -> None:
    gain = {"loss": 0.5, "loss_interval": [0.1, 0.9], "verdict": "better"}
    evaluated = {
        "rows": 20, "base": {"loss": 2.0, "rouge_l": 0.5}, "tuned": {"loss": 1.5, "rouge_l": 0.4},
        "improvement": gain, "by_source": {"a": {"rows": 9, "improvement": gain}},
    }  # fmt: skip
    found = [tuple(line.values()) for line in comparison(evaluated)]
    assert found == [
        ("loss", "2.0000", "1.5000", "−0.5000", "better"),
        ("rouge_l", "0.500", "0.400", "−0.100", "worse"),
    ]
    every, few = slices(evaluated)
    assert (every["name"], every["verdict"]) == ("all rows, 20 rows", "better")
    assert (few["name"], few["verdict"]) == ("source: a, 9 rows", "not told apart")


def test_params_as_dotted_keys() -> None:
    nested = {
        "lr": 0.1,
        "lora": None,
        "operators": [{"name": "nfc"}],
        "target": ["q", "v"],
        "on": True,
    }
    assert list(tree(nested, "train")) == [
        ("train.lr", "0.1"),
        ("train.lora", "null"),
        ("train.operators[0].name", "nfc"),
        ("train.target", "q, v"),
        ("train.on", "true"),
    ]


def test_drawings_escape_what_they_are_given() -> None:
    assert element("text", '<b title="x">', aria_label='"><img>') == (
        '<text aria-label="&#34;&gt;&lt;img&gt;">&lt;b title=&#34;x&#34;&gt;</text>'
    )
    assert "\\u202e" in text(0, 0, "a\u202eb")
