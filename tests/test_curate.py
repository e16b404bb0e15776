"""Duplicates and places."""

from dataclasses import replace

from hypothesis import given, settings
from hypothesis import strategies as st

from sftlib.core.params import Curate, NearDuplicates, Shares
from sftlib.core.records import Chat, Labeled, Message, Record, content_id
from sftlib.curate.duplicates import find_duplicates
from sftlib.curate.place import SPLITS, split_of
from sftlib.curate.shingles import Shingler, jaccard
from sftlib.curate.verdict import Standing, Verdict

NEAR = Curate(NearDuplicates(threshold=0.5, ngram=2), "keep", "keep", group=None)
SPLIT = Shares(validation=0.3, test=0.3)
ORDER = {"test": 0, "validation": 1, "train": 2}


def chat(prompt: str, answer: str) -> Chat:
    return Chat((Message("user", prompt), Message("assistant", answer)))


def judge(
    records: list[Record], params: Curate = NEAR, standings: list[Standing] | None = None
) -> Verdict:
    ids = [content_id(record) for record in records]
    return find_duplicates(records, ids, standings or [Standing()] * len(ids), params)


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
    shingler = Shingler(ngram=5)
    assert jaccard(shingler.shingles("hi there"), shingler.shingles("bye")) == 0
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
    first = [Standing(priority=1), Standing()]
    assert dropped(judge(records, standings=first)) == {1: ("exact_duplicate", 0)}


def test_held_out_rows_are_kept_and_others_yield() -> None:
    long = "one two three four five six seven eight"
    records = [chat(long, "nine"), chat(long, "nine ten"), chat(long, "nine"), chat("x", "y")]
    held_out = [Standing(held_out=True), Standing(), Standing(held_out=True), Standing(priority=9)]
    verdict = judge(records, standings=held_out)
    assert dropped(verdict) == {1: ("near_duplicate", 0)}
    assert [place < 0 for place in verdict.places] == [True, True, True, False]


def test_rows_of_a_group_share_a_place() -> None:
    records = [chat(f"question {n} alone", f"{n}") for n in range(6)]
    standings = [Standing(group=str(n % 2)) for n in range(6)]
    places = judge(records, replace(NEAR, near_duplicates=None), standings).places
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
    places, shingler = judge(records).places, Shingler(2)
    for i, a in enumerate(records):
        for j, b in enumerate(records[:i]):
            if a.messages[0] == b.messages[0]:
                assert places[i] == places[j]
            shingles = [shingler.shingles("\n".join(m.content for m in r.messages)) for r in (a, b)]
            if jaccard(*shingles) >= 0.9:
                assert places[i] == places[j]


def test_the_order_of_rows_decides_nothing() -> None:
    records = [chat(f"say {n % 7}", f"{n % 5} it is") for n in range(60)]
    forward, backward = judge(records), judge(records[::-1])
    assert forward.places == backward.places[::-1]
    assert set(SPLITS) == {"train", "validation", "test"}
