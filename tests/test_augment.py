"""Augmentations of train: what each changes, what it leaves alone, and what no row may become."""

from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import Any, get_args

import pytest
from conftest import ROOT, change_params, write_rows
from hypothesis import given, settings
from hypothesis import strategies as st
from test_tasks import tiny_bert  # noqa: F401, a fixture

from sftlib.compose.augment import CHANGES, prepare
from sftlib.compose.compose import Folders, compose
from sftlib.compose.lot import Draw
from sftlib.compose.nearest import nearest_words, vocabulary
from sftlib.compose.noise import NEIGHBOURS
from sftlib.compose.wording import cut
from sftlib.core import augmentations as augs
from sftlib.core.errors import UsageError
from sftlib.core.params import load_params
from sftlib.core.records import (
    Chat,
    Labeled,
    Message,
    Record,
    Tagged,
    content_id,
    normalise,
    record_from_json,
    record_to_json,
)
from sftlib.core.rows import read_folder

DEFAULT = load_params(ROOT / "params.yaml")
PARAMS = replace(DEFAULT, train=replace(DEFAULT.train, threads=1, device="cpu"))
TEXT = "the cat sat in rome, and Ann was glad of it"
NO_MODEL = Path("no/model")


def changed(record: Record, params: augs.Augmentation, id: str = "a", copy: int = 0) -> Record:
    draw = Draw(id, f"{params.name}:{params.seed}", copy)
    return prepare(params, [], NO_MODEL)(record, draw)


def text_of(text: str, params: augs.Augmentation, **choices: Any) -> str:
    record = changed(Labeled(text, "good"), params, **choices)
    assert isinstance(record, Labeled)
    assert record.label == "good"
    return record.text


def test_deleted_words_are_gone_and_the_others_stay_in_order() -> None:
    words = text_of(TEXT, augs.DeleteWords(share=0.3)).split()
    left = iter(TEXT.split())
    assert len(words) == 8
    assert all(word in left for word in words)
    assert text_of("alone", augs.DeleteWords(share=1)) == "alone"
    assert text_of(" a b\n", augs.DeleteWords(share=1)) in (" a\n", " b\n")


def test_swapped_words_are_the_same_words() -> None:
    near = augs.SwapWords(share=0.001, max_distance=1)
    for number in range(20):
        far = text_of(TEXT, augs.SwapWords(share=0.3), id=str(number)).split()
        assert Counter(far) == Counter(TEXT.split())
        words = text_of(TEXT, near, id=str(number)).split()
        moved = [n for n, (a, b) in enumerate(zip(words, TEXT.split(), strict=True)) if a != b]
        assert moved[1] == moved[0] + 1
    assert text_of("alone", near) == "alone"


def test_typos_are_letters_of_keys_that_touch() -> None:
    found = text_of(TEXT, augs.Typos(share=0.5))
    pairs = [(a, b) for a, b in zip(TEXT, found, strict=True) if a != b]
    assert len(pairs) == 6
    assert all(b.lower() in NEIGHBOURS[a.lower()] and a.isupper() == b.isupper() for a, b in pairs)
    assert NEIGHBOURS["q"] == "aw"
    assert all(a in NEIGHBOURS[b] for a, others in NEIGHBOURS.items() for b in others)
    assert text_of("你好 42 x", augs.Typos(share=1)) == "你好 42 x"


def test_words_are_replaced_by_their_nearest(tiny_bert: Path) -> None:  # noqa: F811
    params = augs.ReplaceWords(share=1, nearest=2, min_similarity=-1)
    names, vectors = vocabulary(tiny_bert)
    assert names == ["ann", "bad", "cat", "good", "play", "rome", "sat", "the"]
    near = nearest_words(tiny_bert, {"cat", "unheard"}, params)
    cosines = vectors @ vectors[names.index("cat")]
    order = sorted(range(len(names)), key=lambda n: -cosines[n])
    assert near == {"cat": tuple(names[n] for n in order[1:3])}
    assert nearest_words(tiny_bert, {"cat"}, replace(params, min_similarity=1)) == {"cat": ()}
    row = {"id": "a", **record_to_json(Labeled("(Cat) is", "good"))}
    record = prepare(params, [row], tiny_bert)(record_from_json(row), Draw("a", "x", 0))
    assert isinstance(record, Labeled)
    assert record.text in {f"({word.capitalize()}) is" for word in near["cat"]}


REWORDINGS = augs.Paraphrase(
    (
        augs.Rewording(r"What is (.*)\?", (r"Tell me what \1 is.", r"Explain \1.")),
        augs.Rewording(r"(?i)what.*", ("never",)),
    )
)


def test_prompts_are_reworded_and_answers_stay() -> None:
    roles = ("system", "user", "assistant", "user", "assistant")
    texts = ("What is x?", "What is DVC?", "What is it?", "Go on", "It is")
    chat = Chat(tuple(map(Message, roles, texts)))
    found = [changed(chat, REWORDINGS, copy=copy) for copy in range(2)]
    assert all(isinstance(record, Chat) for record in found)
    asked = {record.messages[1].content for record in found}  # type: ignore[union-attr]
    assert asked == {"Tell me what DVC is.", "Explain DVC."}
    for record in found:
        assert isinstance(record, Chat)
        kept = [message.content for message in record.messages]
        assert (kept[0], *kept[2:]) == (texts[0], *texts[2:])


words = st.text(st.characters(categories=("L", "N", "P")), min_size=1)
texts = st.lists(words, min_size=1).map(" ".join)
noises = st.sampled_from([augs.DeleteWords(share=0.3), augs.SwapWords(), augs.Typos(share=0.3)])


@given(st.text())
def test_a_text_is_its_words_and_the_gaps(text: str) -> None:
    parts = cut(text)
    assert parts.joined(list(parts.words)) == text
    assert all(word and not any(map(str.isspace, word)) for word in parts.words)


@given(texts, noises)
def test_only_prompts_change(text: str, params: augs.Augmentation) -> None:
    chat = Chat((Message("system", text), Message("user", text), Message("assistant", text)))
    record = changed(chat, params)
    assert isinstance(record, Chat)
    assert [m.content for n, m in enumerate(record.messages) if n != 1] == [text, text]


@given(st.lists(st.tuples(words, st.sampled_from(["O", "B-x"])), min_size=1))
def test_tags_stay_beside_their_words(pairs: list[tuple[str, str]]) -> None:
    sentence = Tagged(*(tuple(side) for side in zip(*pairs, strict=True)))
    record = changed(sentence, augs.Typos(share=0.5))
    assert isinstance(record, Tagged)
    assert record.tags == sentence.tags
    for old, new in zip(sentence.words, record.words, strict=True):
        assert sum(a != b for a, b in zip(old, new, strict=True)) <= 1
    assert changed(sentence, augs.DeleteWords()) == sentence


def row_of(record: Record, **more: Any) -> dict[str, Any]:
    head = {"id": content_id(record), "source": "a", "place": 0.5, **more}
    return head | record_to_json(record)


def labelled(text: str, label: str = "good", **more: Any) -> dict[str, Any]:
    return row_of(Labeled(text, label), **more)


class Composed:
    """What the stage wrote."""

    def __init__(
        self,
        folder: Path,
        rows: list[dict[str, Any]],
        augment: tuple[augs.Augmentation, ...],
        held_out: list[dict[str, Any]],
        **choices: Any,
    ) -> None:
        splits = {"train": rows, "validation": held_out[:1], "test": held_out}
        for name, given_ in splits.items():
            write_rows(folder / "split" / name / "a/x.jsonl", given_)
        entries = [{"id": r["id"], "at": f"data/raw/x.jsonl:{n}"} for n, r in enumerate(rows)]
        write_rows(folder / "curated/kept/a/x.jsonl", entries)
        params = replace(PARAMS, compose=replace(PARAMS.compose, augment=augment, **choices))
        self.folder, self.out = folder, folder / "out"
        folders = Folders(
            folder / "split", folder / "curated", NO_MODEL, self.out, folder / "ledger"
        )
        self.metrics = compose(folders, params)["train"]
        self.rows = list(read_folder(self.out / "train"))
        self.new = [row for row in self.rows if "augmented" in row.get("meta", {})]

    def ledger(self, name: str) -> list[dict[str, Any]]:
        return list(read_folder(self.folder / "ledger" / name))


ALL = (augs.DeleteWords(copies=2), augs.SwapWords(), augs.Typos())
HELD_OUT = [labelled("a held out text of some words"), labelled("another one that is held out")]


def test_new_rows_are_counted_and_name_the_row_they_were_made_of(tmp_path: Path) -> None:
    rows = [labelled(f"{TEXT} {n}", meta={"author": "x"}) for n in range(5)]
    found = Composed(tmp_path, rows, ALL, HELD_OUT)
    tally = found.metrics
    assert (tally["rows_in"], tally["kept"], tally["dropped"]) == (5, 5, {})
    assert tally["added"] == {"delete_words": 10, "swap_words": 5, "typos": 5}
    assert tally["written"] == len(found.rows) == 25
    assert tally["by_source"]["a"]["added"] == tally["added"]
    entries = {entry["id"]: entry for entry in found.ledger("augmented")}
    assert set(entries) == {row["id"] for row in found.new}
    origins = {row["id"]: f"data/raw/x.jsonl:{n}" for n, row in enumerate(rows)}
    for row in found.new:
        entry = entries[row["id"]]
        assert entry["at"] == origins[entry["origin"]]
        assert row["meta"] == {"author": "x", "augmented": entry["by"]}
        assert row["id"] == content_id(record_from_json(row))
        assert (row["source"], row["place"], row["label"]) == ("a", 0.5, "good")


def test_held_out_splits_keep_every_byte(tmp_path: Path) -> None:
    Composed(tmp_path, [labelled(TEXT)], ALL, HELD_OUT)
    for name in ("validation", "test"):
        before, after = (tmp_path / part / name / "a/x.jsonl" for part in ("split", "out"))
        assert before.read_bytes() == after.read_bytes()


def test_no_new_row_repeats_another_or_a_held_out_one(tmp_path: Path) -> None:
    pair = (augs.SwapWords(max_distance=1, copies=3),)
    rows = [labelled("Two words"), labelled("held OUT"), labelled("one")]
    found = Composed(tmp_path, rows, pair, [labelled("out  held", "bad"), labelled("x y z")])
    assert [row["text"] for row in found.new] == ["words Two"]
    assert found.metrics["added"] == {"swap_words": 1}
    reasons = {"repeated": 2, "held_out": 3, "unchanged": 3}
    counts = {f"swap_words: {reason}": count for reason, count in reasons.items()}
    assert found.metrics["not_added"] == counts
    entries = found.ledger("not_augmented")
    assert Counter(entry["reason"] for entry in entries) == reasons
    assert all(entry["at"] and entry["detail"] for entry in entries)


def test_a_prompt_that_is_held_out_is_not_asked_in_train(tmp_path: Path) -> None:
    def asked(prompt: str, answer: str) -> dict[str, Any]:
        return row_of(Chat((Message("user", prompt), Message("assistant", answer))))

    one = replace(REWORDINGS, rewordings=(augs.Rewording("What is (.*)\\?", (r"Explain \1.",)),))
    held_out = [asked("Explain  DVC.", "Another answer"), asked("x", "y")]
    found = Composed(
        tmp_path, [asked("What is DVC?", "a"), asked("What is git?", "b")], (one,), held_out
    )
    assert [row["messages"][0]["content"] for row in found.new] == ["Explain git."]
    assert found.metrics["not_added"] == {"paraphrase: held_out": 1}


@settings(max_examples=25, deadline=None)
@given(st.lists(texts, min_size=2, max_size=6, unique_by=normalise), st.randoms())
def test_what_is_made_of_a_row_depends_on_it_alone(
    tmp_path_factory: pytest.TempPathFactory, texts: list[str], random: Any
) -> None:
    rows = [labelled(text) for text in texts]
    before = Composed(tmp_path_factory.mktemp("a"), rows[1:], ALL, HELD_OUT)
    shuffled = random.sample(rows, len(rows))
    after = Composed(tmp_path_factory.mktemp("b"), shuffled, ALL, HELD_OUT)
    made = {entry["id"] for entry in after.ledger("augmented")}
    texts_now = {normalise(record_from_json(row).text) for row in rows}  # type: ignore[union-attr]
    mine = {row["id"] for row in before.new if normalise(row["text"]) not in texts_now}
    assert mine <= made
    others = {e["id"] for e in after.ledger("augmented") if e["origin"] != rows[0]["id"]}
    assert others <= {row["id"] for row in before.new}


def test_seed_copies_and_share_change_what_is_made(tmp_path: Path) -> None:
    def made(name: str, params: augs.Augmentation) -> list[str]:
        rows = [labelled(f"{TEXT} {n}") for n in range(3)]
        return [row["text"] for row in Composed(tmp_path / name, rows, (params,), HELD_OUT).new]

    base = augs.DeleteWords()
    start = made("start", base)
    assert made("again", base) == start
    assert made("seed", replace(base, seed=2)) != start
    more = made("copies", replace(base, copies=2))
    assert len(more) > len(start)
    assert set(start) < set(more)
    longest = max(map(len, made("share", replace(base, share=0.5))))
    assert longest < min(map(len, start))


def test_weights_repeat_a_row_but_not_what_is_made_of_it(tmp_path: Path) -> None:
    rows = [labelled(f"{TEXT} {n}") for n in range(3)]
    found = Composed(tmp_path / "a", rows, (augs.Typos(),), HELD_OUT, weights={"a": 2.0})
    assert (found.metrics["written"], len(found.new)) == (9, 3)
    capped = Composed(tmp_path / "b", rows, (augs.Typos(),), HELD_OUT, caps={"a": 1})
    assert (capped.metrics["written"], len(capped.new)) == (2, 1)


def test_every_augmentation_is_prepared_and_documented() -> None:
    kinds = set(get_args(augs.Augmentation))
    assert kinds - set(CHANGES) == {augs.Paraphrase, augs.ReplaceWords}
    page = (ROOT / "docs/small-data.md").read_text()
    for kind in kinds:
        assert f"| `{kind.__dataclass_fields__['name'].default}` |" in page


@pytest.mark.parametrize(
    ("task", "entry", "message"),
    [
        ("tag", {"name": "delete_words"}, "augment[0].name: delete_words would part words from"),
        ("tag", {"name": "paraphrase", "rewordings": []}, "rewordings: must name at least one"),
        ("classify", REWORDINGS, "augment[0].name: task classify has no prompts"),
        ("chat", {"name": "typo"}, "'typo' is none of delete_words, swap_words, typos, replace_"),
        ("chat", {"name": "typos", "share": 0}, "share: must be between 0.001 and 1, not 0"),
        ("chat", {"name": "typos", "copies": 0}, "copies: must be between 1 and 100, not 0"),
        ("chat", [("(", ["a"])], "rewordings[0].pattern: not a pattern of RE2: missing )"),
        ("chat", [("a", [r"\1"])], "rewordings[0].prompts: the pattern has no group 1"),
        ("chat", [("a", [])], "rewordings[0].prompts: must name at least one"),
    ],
)
def test_faults(tmp_path: Path, task: str, entry: Any, message: str) -> None:
    (tmp_path / "params.yaml").write_text((ROOT / "params.yaml").read_text())
    if isinstance(entry, augs.Paraphrase):
        entry = [(each.pattern, list(each.prompts)) for each in entry.rewordings]
    if isinstance(entry, list):
        rewordings = [{"pattern": pattern, "prompts": prompts} for pattern, prompts in entry]
        entry = {"name": "paraphrase", "rewordings": rewordings}
    change_params(tmp_path, task_=task, compose={"augment": [entry]})
    with pytest.raises(UsageError) as error:
        load_params(tmp_path / "params.yaml")
    assert message in str(error.value)
