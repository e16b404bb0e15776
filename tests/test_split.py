"""How curated rows are dealt to the splits, and what is kept out of training."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from conftest import ROOT, write_rows
from hypothesis import given
from hypothesis import strategies as st

from sftlib.core.errors import DataError, UsageError
from sftlib.core.params import Decontaminate, Shares, Source, Split, Times, load_params
from sftlib.core.rows import read_folder
from sftlib.curate.deal import deal
from sftlib.curate.place import fold_of
from sftlib.curate.split import Folders, split_rows

SPLIT = Split(0.25, 0.25, by_source=None, fold=None, time=None, decontaminate=None)
A = Source("data/raw/a.jsonl", "prompt_completion", "CC0-1.0")
LONG = "the quick brown fox jumps over the lazy dog near the old mill"


def row(id: str, place: float, text: str = "", source: str = "a", **more: Any) -> dict[str, Any]:
    turns = [{"role": "user", "content": text or id}, {"role": "assistant", "content": "yes"}]
    return {"id": id, "source": source, "place": place, **more, "messages": turns}


def split(
    folder: Path, rows: list[dict[str, Any]], params: Split = SPLIT, **sources: Source
) -> tuple[dict[str, list[str]], dict[str, str], dict[str, Any]]:
    """The ids of each split, the reason of each dropped id, and the metrics."""
    folders = Folders(*(folder / name for name in ("curated", "ledger", "splits", "dropped")))
    for name in sorted({r["source"] for r in rows}):
        mine = [r for r in rows if r["source"] == name]
        write_rows(folders.curated / name / "x.jsonl", mine)
        entries = [{"id": r["id"], "at": f"data/raw/{name}.jsonl:{r['id']}"} for r in mine]
        write_rows(folders.curated_ledger / "kept" / name / "x.jsonl", entries)
    metrics = split_rows(folders, params, {"a": A, **sources})
    names = ("train", "validation", "test")
    ids = {n: sorted(r["id"] for r in read_folder(folders.splits / n)) for n in names}
    drops = {e["id"]: f"{e['reason']}: {e['detail']}" for e in read_folder(folders.ledger)}
    return ids, drops, metrics


PLAIN = [row("t", 0.1), row("v", 0.3), row("n", 0.6), row("m", 0.9)]


def test_shares(tmp_path: Path) -> None:
    ids, drops, metrics = split(tmp_path, PLAIN)
    assert (ids, drops) == ({"test": ["t"], "validation": ["v"], "train": ["m", "n"]}, {})
    assert metrics["by_source"] == {"train": {"a": 2}, "validation": {"a": 1}, "test": {"a": 1}}


def test_shares_of_one_source_and_a_cluster_across_sources(tmp_path: Path) -> None:
    params = replace(SPLIT, by_source={"b": Shares(validation=0.1, test=0.8)})
    mixed = [row("b1", 0.7, source="b"), row("b2", 0.95, source="b"), row("a1", 0.7)]
    ids, _, _ = split(tmp_path, PLAIN + mixed, params, b=A)
    assert ids == {"test": ["a1", "b1", "t"], "validation": ["v"], "train": ["b2", "m", "n"]}


def test_labels_are_counted_by_split(tmp_path: Path) -> None:
    labels = {"t": "good", "v": "bad", "n": "good", "m": "bad"}
    rows = [{**r, "text": r["id"], "label": labels[r["id"]]} for r in PLAIN]
    _, _, metrics = split(tmp_path, rows)
    expected = {"train": {"bad": 1, "good": 1}, "validation": {"bad": 1}, "test": {"good": 1}}
    assert metrics["by_label"] == expected


def test_folds_share_out_what_is_not_test(tmp_path: Path) -> None:
    ids, _, _ = split(tmp_path, PLAIN, replace(SPLIT, fold="2 of 2"))
    assert ids == {"test": ["t"], "validation": ["m"], "train": ["n", "v"]}


@given(st.floats(0, 1, exclude_max=True), st.integers(2, 9))
def test_each_place_is_in_one_fold_or_in_test(place: float, count: int) -> None:
    found = [fold_of(place, 0.2, f"{number} of {count}") for number in range(1, count + 1)]
    assert found.count("validation") == (place >= 0.2)
    assert found.count("test") == (count if place < 0.2 else 0)


def test_by_time(tmp_path: Path) -> None:
    times = Times("date", validation_from="2026-01-01", test_from="2026-03-01")
    dates = {"o": "2025-12-31T23:59", "v": "2026-01-01", "t": "2026-03-01T00:00:01"}
    rows = [row(id, n / 10, meta={"date": date}) for n, (id, date) in enumerate(dates.items())]
    twin = row("u", 0.0, meta={"date": "2026-09-09"})  # of one cluster with o
    params = replace(SPLIT, time=times)
    ids, _, _ = split(tmp_path / "a", rows, params)
    assert ids == {"train": ["o"], "validation": ["v"], "test": ["t"]}
    older = row("p", 0.9, meta={"date": "2020-01-01"})
    ids, _, _ = split(tmp_path / "b", [*rows, twin, older], params)
    assert ids == {"train": ["p"], "validation": ["v"], "test": ["o", "t", "u"]}
    with pytest.raises(DataError, match=r"\(id x\) has no text 'date' in its meta: list the field"):
        split(tmp_path / "c", [*rows, row("x", 0.5)], params)


def test_given_splits_stay_and_evaluation_sets_are_kept_out(tmp_path: Path) -> None:
    sources = {"given": replace(A, role="test"), "bench": replace(A, role="against")}
    held_out = [row("g", 0.99 - 1, source="given"), row("e", 0.5 - 1, source="bench")]
    cousin = row("c", 0.99 - 1)
    ids, drops, metrics = split(tmp_path, [*PLAIN, *held_out, cousin], **sources)
    assert ids == {"test": ["g", "t"], "validation": ["v"], "train": ["m", "n"]}
    assert drops == {
        "c": "prompt_held_out: a given split or evaluation set has its prompt",
        "e": "evaluation_set: kept to compare with, not to build from",
    }
    assert metrics["rows_in"] == metrics["kept"] + sum(metrics["dropped"].values()) == 7


def test_what_repeats_held_out_words_is_dropped_with_the_evidence(tmp_path: Path) -> None:
    rows = [*PLAIN[1:], row("t", 0.1, LONG), row("c", 0.7, f"note that {LONG} stands")]
    params = replace(SPLIT, decontaminate=Decontaminate(ngram=12, max_rows=3))
    ids, drops, _ = split(tmp_path, rows, params)
    assert (ids["test"], ids["train"]) == (["t"], ["m", "n"])
    words = "the quick brown fox jumps over the lazy dog near the old"
    assert drops == {"c": f"contaminated: shares '{words}' with data/raw/a.jsonl:t"}


def test_phrases_of_many_rows_and_system_prompts_are_no_leak(tmp_path: Path) -> None:
    many = [row(f"c{n}", 0.7 + n / 100, f"{n} {LONG} {n}") for n in range(4)]
    params = replace(SPLIT, decontaminate=Decontaminate(ngram=12, max_rows=3))
    ids, drops, _ = split(tmp_path / "a", [*PLAIN, row("x", 0.2, LONG), *many], params)
    assert (len(ids["train"]), drops) == (6, {})
    prompted = [row(id, place) for id, place in (("t", 0.1), ("v", 0.3), ("n", 0.6))]
    for r in prompted:
        r["messages"].insert(0, {"role": "system", "content": LONG})
    ids, drops, _ = split(tmp_path / "b", prompted, params)
    assert (ids["train"], drops) == (["n"], {})


def test_an_empty_split_is_named(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="split: validation and test got none of 1 rows"):
        split(tmp_path, [row("n", 0.9)])


PLACES = st.lists(
    st.tuples(st.sampled_from([0.05, 0.2, 0.3, 0.5, 0.7, 0.95]), st.sampled_from("ab")), min_size=1
)


@given(PLACES, PLACES)
def test_adding_rows_moves_clusters_towards_test_alone(old: list[Any], new: list[Any]) -> None:
    params = replace(SPLIT, by_source={"b": Shares(0.5, 0.4)})
    sources = {"a": A, "b": A}
    rows = [{"source": source, "place": place} for place, source in [*old, *new]]
    before = deal(rows[: len(old)], params, sources)
    after = deal(rows, params, sources)
    order = {"test": 0, "validation": 1, "train": 2}
    assert all(order[after[place]] <= order[before[place]] for place in before)


@pytest.mark.parametrize(
    ("new", "message"),
    [
        ('fold: "3 of 2"', "split.fold: there is no fold 3 of 2"),
        ("fold: 2/5", "split.fold: must be of the form '2 of 5', not '2/5'"),
        (
            "by_source: {abuot: {validation: 0.1, test: 0.1}}\n  fold: null",
            "split.by_source.abuot: is no source; did you mean 'about'?",
        ),
        (
            "by_source: {about: {validation: 0.6, test: 0.5}}\n  fold: null",
            "split.by_source.about: validation and test leave no rows for training",
        ),
        (
            'time: {key: d, validation_from: "2026-02", test_from: "2026-01"}\n  fold: null',
            "split.time.test_from: must not lie before validation_from",
        ),
    ],
)
def test_params_that_contradict_each_other(tmp_path: Path, new: str, message: str) -> None:
    path, lines = tmp_path / "params.yaml", (ROOT / "params.yaml").read_text().splitlines()
    added = {line.strip().split(":")[0] for line in new.splitlines()}
    kept = [line for line in lines if line.strip().split(":")[0] not in added]
    at = kept.index(next(line for line in kept if line.startswith("split:")))
    kept[at + 1 : at + 1] = ["  " + line.strip() for line in new.splitlines()]
    path.write_text("\n".join(kept))
    with pytest.raises(UsageError) as error:
        load_params(path)
    assert message in str(error.value)
