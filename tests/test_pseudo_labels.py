"""Texts without a label: kept out of held out splits, given a label where one is sure."""

from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from conftest import ROOT, change_params, write_rows
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.linear_model import LogisticRegression
from test_tasks import tiny_bert  # noqa: F401, a fixture

from sftlib.clean.source import Job, basis, clean_source
from sftlib.compose.compose import Folders, compose
from sftlib.compose.logistic import PENALTY, fit_logistic, probabilities
from sftlib.core.errors import DataError, UsageError
from sftlib.core.params import Decontaminate, PseudoLabels, Source, load_params
from sftlib.core.records import (
    Labeled,
    Record,
    Unlabelled,
    content_id,
    normalise,
    record_from_json,
    record_to_json,
)
from sftlib.core.rows import read_folder, write_lines
from sftlib.curate import curate, split

NEWS = load_params(ROOT / "recipes/news/params.yaml")
PARAMS = replace(NEWS, train=replace(NEWS.train, threads=1, device="cpu"))
A = Source("data/raw/a", "text_label", "CC0-1.0")
U = replace(A, path="data/raw/u", role="unlabelled")


def test_a_text_alone_is_a_record() -> None:
    fields = record_to_json(Unlabelled("cat"))
    assert fields == {"text": "cat"}
    assert record_from_json({"id": "1", **fields}) == Unlabelled("cat")
    assert record_from_json({**fields, "label": "good"}) == Labeled("cat", "good")


@pytest.mark.parametrize("form", ["text_label", "auto", "folder_by_class"])
def test_labels_of_the_source_are_passed_over(tmp_path: Path, form: str) -> None:
    source = replace(U, format=form)
    if form == "folder_by_class":
        (tmp_path / "data/raw/u/good").mkdir(parents=True)
        (tmp_path / "data/raw/u/good/1.txt").write_text("a cat")
    else:
        rows: list[dict[str, object]] = [{"text": "a cat", "label": "good"}, {"text": "sat "}]
        write_rows(tmp_path / "data/raw/u/x.jsonl", [*rows, {"text": ""}])
    job = Job("u", source, replace(PARAMS.clean, max_dropped=0.5), tmp_path, *places(tmp_path, "u"))
    tally = clean_source(job, PARAMS.run)
    expected = ["a cat"] if form == "folder_by_class" else ["a cat", "sat"]
    found = list(read_folder(tmp_path / "clean/u"))
    assert [record_from_json(row) for row in found] == list(map(Unlabelled, expected))
    assert tally.dropped == ({} if form == "folder_by_class" else {"empty_text": 1})


def places(root: Path, name: str) -> tuple[Path, Path]:
    return root / "clean" / name, root / "ledger/clean" / name


def test_what_is_remembered_of_a_source_depends_on_whether_it_has_labels() -> None:
    def remembered(role: Any) -> str:
        source = replace(A, role=role)
        return basis(Job("a", source, PARAMS.clean, ROOT, ROOT, ROOT))

    assert remembered("test") == remembered("build") != remembered("unlabelled")


def dealt(
    root: Path, sources: dict[str, Source], records: dict[str, list[Record]], **choices: Any
) -> tuple[dict[str, set[str]], dict[str, str]]:
    """The texts in each split, and text -> why it was dropped, after the real curate and split."""
    texts = {}
    for name, mine in records.items():
        rows = [{"id": content_id(r), "source": name, **record_to_json(r)} for r in mine]
        texts |= {row["id"]: row["text"] for row in rows}
        write_lines(root / "clean" / name / "x.jsonl", rows)
        kept = [{"id": r["id"], "at": f"data/raw/{name}:{n}"} for n, r in enumerate(rows)]
        write_lines(root / "ledger/clean" / name / "kept/x.jsonl", kept)
    curated = (root / "clean", root / "ledger/clean", root / "curated", root / "ledger/curate")
    curate.curate(curate.Folders(*curated), sources, PARAMS.curate, PARAMS.run)
    folders = split.Folders(*curated[2:], root / "split", root / "ledger/split")
    split.split_rows(folders, replace(PARAMS.split, **choices), sources)
    names = ("train", "validation", "test")
    found = {name: {r["text"] for r in read_folder(root / "split" / name)} for name in names}
    ledgers = [e for s in ("curate", "split") for e in read_folder(root / f"ledger/{s}/dropped")]
    return found, {texts[entry["id"]]: entry["reason"] for entry in ledgers}


LABELLED: list[Record] = [
    Labeled(f"row number {n} " * 9, ("good", "bad")[n % 2]) for n in range(60)
]
LONG = "one two three four five six seven eight nine ten eleven twelve thirteen"


def test_texts_that_are_held_out_go_to_no_split(tmp_path: Path) -> None:
    given_: list[Record] = [Labeled("a given test row", "good"), Labeled(f"{LONG} end", "bad")]
    sources = {"a": A, "t": replace(A, role="test"), "u": U}
    start, _ = dealt(tmp_path / "1", sources, {"a": LABELLED, "t": given_, "u": [Unlabelled("x")]})
    held_out = sorted((start["test"] | start["validation"]) - {r.text for r in given_})  # type: ignore[union-attr]
    copies = [text.upper() for text in held_out]
    near = [f"{text} row number" for text in held_out]
    quote = " ".join([LONG, *(f"word{n}" for n in range(30))])
    others = ["A given  test row", quote, "new", "new "]
    texts = [*copies, *near, *others]
    records: dict[str, list[Record]] = {
        "a": LABELLED,
        "t": given_,
        "u": list(map(Unlabelled, texts)),
    }
    decontaminate = Decontaminate(ngram=13, max_rows=10)
    found, drops = dealt(tmp_path / "2", sources, records, decontaminate=decontaminate)
    for name in ("validation", "test"):
        assert found[name] == start[name]
    assert found["train"] - {r.text for r in LABELLED} <= {"new", "new "}  # type: ignore[union-attr]
    # Of a copy and one that is nearly a copy, the longer one comes as far as the split.
    assert {drops[text] for text in copies} == {"near_duplicate"}
    assert {drops[text] for text in near} == {"prompt_held_out"}
    assert drops["A given  test row"] == "prompt_held_out"
    assert drops[quote] == "contaminated"
    assert Counter(drops.values())["exact_duplicate"] == 1


pool = st.lists(st.sampled_from([f"text {n} {w}" for n in range(12) for w in ("a", "A")]))


@settings(max_examples=25, deadline=None)
@given(pool)
def test_no_text_without_a_label_is_held_out(
    tmp_path_factory: pytest.TempPathFactory, texts: list[str]
) -> None:
    records: list[Record] = [Labeled(f"text {n} a", "good") for n in range(8)] + LABELLED
    mine = {"a": records, "u": list(map(Unlabelled, [*texts, "other"]))}
    root = tmp_path_factory.mktemp("u")
    found, _ = dealt(root, {"a": A, "u": U}, mine)
    rows = {name: list(read_folder(root / "split" / name)) for name in found}
    held_out = {normalise(row["text"]) for name in ("validation", "test") for row in rows[name]}
    assert all("label" in row for name in ("validation", "test") for row in rows[name])
    assert not any(normalise(row["text"]) in held_out for row in rows["train"])


def row(record: Record, source: str = "a") -> dict[str, Any]:
    head = {"id": content_id(record), "source": source, "place": 0.5}
    return head | record_to_json(record)


GOOD, BAD = ("cat", "ann", "sat", "rome"), ("play", "is", "?", "in")
TAUGHT = [row(Labeled(f"{word} the good", "good")) for word in GOOD]
TAUGHT += [row(Labeled(f"{word} the bad", "bad")) for word in BAD]
ASKED = [
    row(Unlabelled(f"{a} {b} {end}"), "u") for a in GOOD for b in BAD for end in ("good", "bad")
]
ASKED += [row(Unlabelled("CAT the  good"), "u")]


def composed(
    folder: Path,
    model: Path,
    chosen: PseudoLabels | None,
    taught: list[dict[str, Any]] = TAUGHT,
    **choices: Any,
) -> tuple[list[dict[str, Any]], dict[str, Any]]:
    """The rows of train after the stage, and its metrics."""
    write_rows(folder / "split/train/a/x.jsonl", taught)
    write_rows(folder / "split/train/u/x.jsonl", ASKED)
    for name in ("validation", "test"):
        write_rows(folder / "split" / name / "a/x.jsonl", [row(Labeled("held out", "bad"))])
    entries = [{"id": r["id"], "at": f"data/raw/x:{n}"} for n, r in enumerate(taught + ASKED)]
    write_rows(folder / "curated/kept/x.jsonl", entries)
    params = replace(PARAMS, compose=replace(PARAMS.compose, pseudo_labels=chosen, **choices))
    places_ = (folder / "split", folder / "curated", model, folder / "out", folder / "ledger")
    metrics = compose(Folders(*places_), params)["train"]
    return list(read_folder(folder / "out/train")), metrics


def test_sure_guesses_join_train_and_the_others_are_dropped(
    tmp_path: Path,
    tiny_bert: Path,  # noqa: F811
) -> None:
    rows, metrics = composed(tmp_path, tiny_bert, PseudoLabels(confidence=0.9, rounds=1))
    guessed = [r for r in rows if r["source"] == "u"]
    entries = {entry["id"]: entry for entry in read_folder(tmp_path / "ledger/pseudo_labelled")}
    assert len(entries) == len(guessed) > 10
    for r in guessed:
        assert r["meta"] == {"pseudo": True}
        assert r["label"] == entries[r["id"]]["label"] == r["text"].split()[-1]
        assert entries[r["id"]]["confidence"] >= 0.9
        assert entries[r["id"]]["at"].startswith("data/raw/x:")
    drops = list(read_folder(tmp_path / "ledger/dropped"))
    reasons = Counter(entry["reason"] for entry in drops)
    assert reasons == {"already_labelled": 1, "low_confidence": len(ASKED) - 1 - len(guessed)}
    assert any("asked are 0.9" in entry["detail"] for entry in drops)
    assert metrics["rows_in"] == 8 + len(ASKED) == metrics["kept"] + reasons.total()
    assert metrics["by_source"]["u"]["changed"] == {"pseudo_labelled": len(guessed)}
    assert [r for r in rows if r["source"] == "a"] == TAUGHT


def test_confidence_and_rounds(tmp_path: Path, tiny_bert: Path) -> None:  # noqa: F811
    def sure(name: str, chosen: PseudoLabels) -> dict[str, float]:
        composed(tmp_path / name, tiny_bert, chosen)
        ledger = read_folder(tmp_path / name / "ledger/pseudo_labelled")
        return {entry["id"]: entry["confidence"] for entry in ledger}

    strict = sure("strict", PseudoLabels(confidence=0.97, rounds=1))
    loose = sure("loose", PseudoLabels(confidence=0.6, rounds=1))
    assert set(strict) < set(loose)
    assert strict == {id: loose[id] for id in strict}
    again = sure("again", PseudoLabels(confidence=0.6, rounds=3))
    assert again != loose
    assert sum(again.values()) / len(again) > sum(loose.values()) / len(loose)


def test_later_steps_see_the_guessed_rows(tmp_path: Path, tiny_bert: Path) -> None:  # noqa: F811
    chosen = PseudoLabels(confidence=0.6, rounds=1)
    rows, metrics = composed(tmp_path, tiny_bert, chosen, balance_labels=True, caps={"u": 3})
    labels = Counter(r["label"] for r in rows)
    assert metrics["dropped"]["over_cap"] > 0
    assert sum(r["source"] == "u" for r in rows) == 3
    assert labels.total() == metrics["kept"]


def test_without_pseudo_labels_such_rows_are_dropped(tmp_path: Path) -> None:
    rows, metrics = composed(tmp_path, tmp_path / "no/model", None)
    assert rows == TAUGHT
    assert metrics["dropped"] == {"unlabelled": len(ASKED)}


@pytest.mark.parametrize(
    ("labels", "message"),
    [(("good", "good"), "have 1 label"), ((["a"], ["b"]), "lists of labels or scores")],
)
def test_labels_that_cannot_be_guessed(
    tmp_path: Path, labels: tuple[Any, Any], message: str
) -> None:
    taught = [{**r, "label": label} for r, label in zip(TAUGHT, labels, strict=False)]
    chosen = PseudoLabels(confidence=0.9, rounds=1)
    with pytest.raises(DataError, match=message):
        composed(tmp_path, tmp_path / "no/model", chosen, taught)


@given(st.integers(2, 4), st.integers(0, 5))
@settings(max_examples=10, deadline=None)
def test_the_head_is_logistic_regression(classes: int, seed: int) -> None:
    random = np.random.default_rng(seed)
    vectors = random.normal(size=(40, 6))
    gold = np.arange(40) % classes
    ours = probabilities(fit_logistic(vectors, gold, classes), vectors)
    theirs = LogisticRegression(C=1 / (2 * PENALTY * 40), tol=1e-8, max_iter=5000)
    if classes > 2:  # of two classes theirs has half the weights, so half the penalty
        expected = theirs.fit(vectors, gold).predict_proba(vectors)
        assert np.abs(ours - expected).max() < 1e-3
    assert np.allclose(ours.sum(axis=1), 1)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"task_": "chat"}, "compose.pseudo_labels: task chat has no labels to guess"),
        ({"task_": "tag"}, "sources.u.role: task tag has no use for unlabelled"),
        ({"role": "build"}, "compose.pseudo_labels: no source has role: unlabelled"),
        ({"format": "conll"}, "sources.u.role: unlabelled needs a format of text_label, folder"),
        ({"labels": ["a"]}, "sources.u.labels: an unlabelled source has none"),
    ],
)
def test_faults(tmp_path: Path, change: dict[str, Any], message: str) -> None:
    (tmp_path / "params.yaml").write_text((ROOT / "recipes/news/params.yaml").read_text())
    entry = {"path": "data/raw/u", "format": "text_label", "licence": "x", "role": "unlabelled"}
    keys = {key: value for key, value in change.items() if not key.endswith("_")}
    sections = {key: value for key, value in change.items() if key.endswith("_")}
    chosen = {"pseudo_labels": {"confidence": 0.9, "rounds": 1}}
    change_params(tmp_path, sources={"u": {**entry, **keys}}, compose=chosen, **sections)
    with pytest.raises(UsageError) as error:
        load_params(tmp_path / "params.yaml")
    assert message in str(error.value)
