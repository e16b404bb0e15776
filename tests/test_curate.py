"""Duplicates and places."""

from dataclasses import replace

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from sftlib.core.params import Curate, NearDuplicates, Shares, Source
from sftlib.core.records import (
    Chat,
    Labeled,
    Message,
    Record,
    content_id,
    normalise,
    record_text,
    record_to_json,
)
from sftlib.core.splits import SPLITS
from sftlib.core.words import words
from sftlib.curate.clusters import Clusters
from sftlib.curate.duplicates import find_duplicates
from sftlib.curate.grams import gram_hashes
from sftlib.curate.near import drop_near, join_near
from sftlib.curate.place import split_of
from sftlib.curate.sets import gram_sets
from sftlib.curate.survey import pooled, survey_rows
from sftlib.curate.verdict import Verdict

NEAR = Curate(NearDuplicates(threshold=0.5, ngram=2), "keep", "keep", group=None)
SPLIT = Shares(validation=0.3, test=0.3)
ORDER = {"test": 0, "validation": 1, "train": 2}
SOURCE = Source("data/raw/x.jsonl", "messages", "CC0-1.0")
FIRST = replace(SOURCE, priority=1)
HELD_OUT = replace(SOURCE, role="test")


def chat(prompt: str, answer: str) -> Chat:
    return Chat((Message("user", prompt), Message("assistant", answer)))


def judge(
    records: list[Record],
    params: Curate = NEAR,
    sources: list[Source] | None = None,
    groups: list[str] | None = None,
) -> Verdict:
    """The verdict on records, each of which is a source of its own."""
    surveys, named = [], {}
    for number, record in enumerate(records):
        fields = {"id": content_id(record), **record_to_json(record)}
        if groups:
            fields["meta"] = {"author": groups[number]}
        surveys.append((f"s{number}/x.jsonl", survey_rows([fields], params)))
        named[f"s{number}"] = sources[number] if sources else SOURCE
    return find_duplicates(pooled(surveys, named), params)


def dropped(verdict: Verdict) -> dict[int, tuple[str, int | None]]:
    return {row: (d.reason, d.keeper) for row, d in verdict.duplicates.items()}


def test_exact_duplicates_ignore_case_and_space_but_not_digits() -> None:
    records = [chat("What is 2+3?", "5"), chat("what  is 2+3?", "5"), chat("What is 2+4?", "6")]
    verdict = judge(records, replace(NEAR, near_duplicates=None))
    assert dropped(verdict) == {0: ("exact_duplicate", 1)}  # the longest text is kept


def test_near_duplicates_are_verified_and_name_their_keeper() -> None:
    long = "one two three four five six seven eight"
    records = [chat(long, "nine"), chat(long, "nine ten"), chat("something else", "entirely")]
    found = judge(records).duplicates
    assert {row: (d.reason, d.keeper, d.detail) for row, d in found.items()} == {
        0: ("near_duplicate", 1, "Jaccard index 0.889")
    }


def test_texts_shorter_than_the_ngram_are_not_equal() -> None:
    assert len(set(gram_hashes(["hi there", "bye", "hi"], 5)[0].tolist())) == 3
    assert judge([Labeled("你好", "a"), Labeled("再见", "a")]).duplicates == {}


def test_equal_texts_with_two_labels_share_a_place_and_both_stay() -> None:
    verdict = judge([Labeled("fine film", "good"), Labeled("fine film", "bad")])
    assert verdict.duplicates == {}
    assert verdict.places[0] == verdict.places[1]


MAJORITY = replace(NEAR, contradictions="majority")


def test_contradictory_labels_by_majority() -> None:
    good, bad = Labeled("fine  film", "good"), Labeled("fine film", "bad")
    records = [good, bad, bad, Labeled("dull", "bad")]
    verdict = judge(records, MAJORITY)
    assert dropped(verdict) == {0: ("contradictory_label", 1), 2: ("exact_duplicate", 1)}
    assert verdict.duplicates[0].detail == "the text has the labels bad (2), good (1)"
    tie = [good, bad]
    both = {0: ("contradictory_label", None), 1: ("contradictory_label", None)}
    assert dropped(judge(tie, MAJORITY)) == both
    assert dropped(judge(records[:2], replace(NEAR, contradictions="drop"))) == both


def test_one_answer_per_prompt() -> None:
    records = [chat("say a word", "no"), chat("Say  a word", "certainly not"), chat("hi", "yo")]
    best = replace(NEAR, near_duplicates=None, same_prompt="keep_best")
    assert dropped(judge(records, best)) == {0: ("same_prompt", 1)}


def test_the_source_of_the_highest_priority_is_kept() -> None:
    records = [chat("a b c d", "e"), chat("A  b c d", "e")]
    assert dropped(judge(records)) == {0: ("exact_duplicate", 1)}
    assert dropped(judge(records, sources=[FIRST, SOURCE])) == {1: ("exact_duplicate", 0)}


def test_held_out_rows_are_kept_and_others_yield() -> None:
    long = "one two three four five six seven eight"
    records = [chat(long, "nine"), chat(long, "nine ten"), chat(long, "nine"), chat("x", "y")]
    verdict = judge(records, sources=[HELD_OUT, SOURCE, HELD_OUT, FIRST])
    assert dropped(verdict) == {1: ("near_duplicate", 0)}
    assert [place < 0 for place in verdict.places] == [True, True, True, False]


def test_rows_of_a_group_share_a_place() -> None:
    records = [chat(f"question {n} alone", f"{n}") for n in range(6)]
    grouped = replace(NEAR, near_duplicates=None, group="author")
    places = judge(records, grouped, groups=[str(n % 2) for n in range(6)]).places
    assert (len(set(places[::2])), len(set(places[1::2])), len(set(places))) == (1, 1, 2)


WORDS = st.sampled_from(["ab", "cd", "ef", "gh", "ij"])
TEXTS = st.lists(WORDS, min_size=1, max_size=5).map(" ".join)
RECORDS = st.lists(st.builds(chat, TEXTS, TEXTS), min_size=1, max_size=12)


@settings(max_examples=200, deadline=None)
@given(RECORDS, RECORDS)
def test_adding_rows_never_moves_a_row_towards_train(old: list[Record], new: list[Record]) -> None:
    before, after = judge(old).places, judge([*new, *old]).places[len(new) :]
    for was, now in zip(before, after, strict=True):
        assert ORDER[split_of(now, SPLIT)] <= ORDER[split_of(was, SPLIT)]


@settings(max_examples=100, deadline=None)
@given(RECORDS)
def test_rows_alike_share_a_place(records: list[Record]) -> None:
    places = judge(records).places
    for i, a in enumerate(records):
        for j, b in enumerate(records[:i]):
            if a.messages[0] == b.messages[0] or jaccard(grams(a, 2), grams(b, 2)) >= 0.5:
                assert places[i] == places[j]


def grams(record: Record, size: int) -> set[tuple[str, ...]]:
    """By definition: the sequences of `size` words."""
    found = words(normalise(record_text(record)))
    return {tuple(found[n : n + size]) for n in range(max(1, len(found) - size + 1)) if found}


def jaccard(a: set[tuple[str, ...]], b: set[tuple[str, ...]]) -> float:
    return len(a & b) / len(a | b) if a | b else 0.0


CHARACTERS = st.characters(codec="utf-8") | st.sampled_from("ab ,.你好_é\u0301\n")


@settings(max_examples=300, deadline=None)
@given(st.lists(st.text(CHARACTERS, max_size=30), max_size=8), st.integers(1, 4))
def test_hashes_are_those_of_word_ngrams(texts: list[str], size: int) -> None:
    texts = [normalise(text) for text in texts]
    hashes, counts = gram_hashes(texts, size)
    known: dict[tuple[str, ...], int] = {}
    ends = np.cumsum(counts)
    for text, end, count in zip(texts, ends, counts, strict=True):
        found = words(text)
        expected = [tuple(found[n : n + size]) for n in range(max(1, len(found) - size + 1))]
        mine = hashes[end - count : end].tolist()
        assert len(mine) == (len(expected) if found else 0)
        for gram, hashed in zip(expected, mine, strict=False):
            assert known.setdefault(gram, hashed) == hashed
    assert len(set(known.values())) == len(known)


SENTENCES = st.lists(st.sampled_from("abcdefgh"), min_size=1, max_size=14).map(" ".join)


@settings(max_examples=300, deadline=None)
@given(st.lists(SENTENCES, max_size=25), st.sampled_from([0.3, 0.5, 0.75, 0.8, 1.0]))
def test_the_join_finds_what_comparing_all_pairs_finds(texts: list[str], threshold: float) -> None:
    sets = [grams(Labeled(text, "x"), 2) for text in texts]
    hashes, counts = gram_hashes(texts, 2)
    rows = np.arange(len(texts))
    ours, truth = Clusters(len(texts)), Clusters(len(texts))
    found = gram_sets([hashes], [counts], rows)
    join_near(found, threshold, ours)
    alike = [(i, j) for i in rows for j in range(i) if jaccard(sets[i], sets[j]) >= threshold]
    pairs = np.array(alike, np.int64).reshape(-1, 2)
    truth.join(pairs[:, 0], pairs[:, 1])
    assert ours.roots.tolist() == truth.roots.tolist()

    dropped: dict[int, tuple[int, float]] = {}
    for row in rows.tolist():
        for keeper in range(row):
            if keeper not in dropped and jaccard(sets[row], sets[keeper]) >= threshold:
                dropped[row] = (keeper, jaccard(sets[row], sets[keeper]))
                break
    mine = drop_near(found, threshold, ours.roots, rows)
    assert {int(r): (int(k), float(j)) for r, k, j in zip(*mine, strict=True)} == dropped


def test_grams_are_worked_on_in_parts(monkeypatch) -> None:
    texts = [f"{a} {b} {a} c d e" for a in "abcdef" for b in "uvwxyz"]
    rows = np.arange(len(texts))[::2]
    whole = gram_sets(*([part] for part in gram_hashes(texts, 2)), rows)
    monkeypatch.setattr("sftlib.curate.sets.GRAMS_PER_PART", 16)
    parts = gram_sets(*([part] for part in gram_hashes(texts, 2)), rows)
    pairs = np.array([(i, j) for i in range(len(rows)) for j in range(i)]).T
    assert whole.jaccard(*pairs).tolist() == parts.jaccard(*pairs).tolist()
    assert max(whole.jaccard(*pairs)) > 0


def test_the_order_of_rows_decides_nothing() -> None:
    records = [chat(f"say {n % 7}", f"{n % 5} it is") for n in range(60)]
    forward, backward = judge(records), judge(records[::-1])
    assert forward.places.tolist() == backward.places[::-1].tolist()
    assert set(SPLITS) == {"train", "validation", "test"}
