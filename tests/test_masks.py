"""What is learned of a conversation, for the chat templates of every usual family."""

import shutil
from functools import cache
from pathlib import Path

import pytest
from families import FAMILIES, TEMPLATES, write_family
from hypothesis import given, settings
from hypothesis import strategies as st
from transformers import AutoTokenizer

from sftlib.clean.chats import parse_messages
from sftlib.clean.reasons import Reason
from sftlib.core.labels import NO_LOSS
from sftlib.core.params import Source, Tokenize
from sftlib.core.records import (
    Chat,
    Message,
    Record,
    canonical_json,
    content_id,
    message_to_json,
    record_from_json,
    record_to_json,
)
from sftlib.core.tally import Drop
from sftlib.encode.rows import Encoded, Encoder
from sftlib.encode.template import number_calls

SYSTEM = Message("system", "Be kind.")
TURNS = (Message("user", "Hi"), Message("assistant", "Yo"))
DIALOGUE = Chat((*TURNS, Message("user", "So?"), Message("assistant", "Fine, Yo.")))
CALL = canonical_json([{"type": "function", "function": {"name": "add", "arguments": {"a": 1}}}])
CALLING = (
    Message("user", "1+1?"),
    Message("assistant", "", CALL),
    Message("tool", '{"sum": "2\n"}'),
    Message("assistant", "It is 2."),
)
TOOLS = canonical_json([{"type": "function", "function": {"name": "add"}}])


@pytest.fixture(scope="session")
def folders(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    root = tmp_path_factory.mktemp("families")
    return {name: write_family(name, root / name) for name in FAMILIES}


@cache
def encoder(folder: Path, train_on: str = "all_replies") -> Encoder:
    return Encoder(folder, Tokenize(5000, "drop", 5000, train_on))


def encode(folder: Path, record: Record, train_on: str = "all_replies") -> Encoded | Drop:
    (result,) = encoder(folder, train_on).encode([record])
    return result


def learned_texts(folder: Path, encoded: Encoded | Drop) -> list[str]:
    """The runs of labels as texts; each label is the id of the next position."""
    assert isinstance(encoded, Encoded), encoded
    tokenizer, runs, run = encoder(folder).tokenizer, [], []
    for position, label in enumerate([*encoded.labels.tolist(), NO_LOSS]):
        if label != NO_LOSS:
            assert label == encoded.input_ids[position + 1]
            run.append(label)
        elif run:
            runs.append(tokenizer.decode(run))
            run = []
    return runs


def theirs(folder: Path, chat: Chat) -> tuple[str, list[int]]:
    """Text and ids of a conversation as transformers makes them."""
    tokenizer = AutoTokenizer.from_pretrained(folder)
    turns = [message_to_json(message) for message in chat.messages]
    number_calls(turns)
    tools = record_to_json(chat).get("tools")
    text = tokenizer.apply_chat_template(turns, tools, tokenize=False)
    return text, tokenizer.apply_chat_template(turns, tools, return_dict=False)


def test_every_template_has_a_family() -> None:
    assert {path.stem for path in TEMPLATES.glob("*.jinja")} == {*FAMILIES, "deepseek_r1"}


@pytest.mark.parametrize("name", FAMILIES)
@pytest.mark.parametrize("with_system", [False, True], ids=["plain", "system"])
def test_answers_and_their_ends_are_learned_once(
    folders: dict[str, Path], name: str, with_system: bool
) -> None:
    family, folder = FAMILIES[name], folders[name]
    chat = Chat((SYSTEM, *TURNS)) if with_system else Chat(TURNS)
    encoded = encode(folder, chat)
    if with_system and not family.system:
        reason = "content_changed" if name == "mistral" else "template_refused"
        assert isinstance(encoded, Drop)
        # Mistral's puts the system prompt into a question only if no answer follows.
        assert encoded.reason in (reason, "prefix_changed")
        return
    assert learned_texts(folder, encoded) == [family.learned("Yo")]
    text, ids = theirs(folder, chat)
    assert encoded.input_ids.tolist() == ids
    if family.spaces != "prepend":  # which puts spaces into what it decodes
        assert encoder(folder).tokenizer.decode(ids) == text
    bos = encoder(folder).tokenizer.control.get(family.bos or "")
    assert ids.count(bos) == (1 if family.bos and family.bos in text else 0)


@pytest.mark.parametrize("name", FAMILIES)
def test_several_turns(folders: dict[str, Path], name: str) -> None:
    learned = [FAMILIES[name].learned(said) for said in ("Yo", "Fine, Yo.")]
    last = encode(folders[name], DIALOGUE, "last_reply")
    assert learned_texts(folders[name], last) == learned[1:]
    everything = encode(folders[name], DIALOGUE)
    if name == "qwen3":  # drops the reasoning, here empty, of turns that lie behind
        assert everything == Drop(
            "prefix_changed",
            "the chat template renders turn 2 otherwise once others follow: "
            "tokenize.train_on: last_reply learns such rows",
        )
    else:
        assert learned_texts(folders[name], everything) == learned
        assert everything.input_ids.tolist() == last.input_ids.tolist()
    assert last.input_ids.tolist() == theirs(folders[name], DIALOGUE)[1]


CALLS = {
    "llama3": '{"name": "add", "parameters": {"a": 1}}<|eot_id|>',
    "mistral": '[TOOL_CALLS] [{"arguments": {"a": 1}, "name": "add", "id": "call00000"}]</s>',
    "qwen3": '<think>\n\n</think>\n\n<tool_call>\n{"name": "add", "arguments": {"a": 1}}\n'
    "</tool_call><|im_end|>",
    "deepseek": "<｜tool▁calls▁begin｜><｜tool▁call▁begin｜>function<｜tool▁sep｜>add\n"
    '```json\n{"a": 1}\n```<｜tool▁call▁end｜><｜tool▁calls▁end｜><｜end▁of▁sentence｜>',
}


@pytest.mark.parametrize("name", CALLS)
def test_tool_calls_are_learned_to_their_end(folders: dict[str, Path], name: str) -> None:
    family, folder = FAMILIES[name], folders[name]
    chat = Chat(CALLING, TOOLS)
    encoded = encode(folder, chat)
    said = family.learned("It is 2.")
    if name == "qwen3":  # a call that no reasoning precedes loses its empty tags
        assert isinstance(encoded, Drop) and encoded.reason == "prefix_changed"
        assert learned_texts(folder, encode(folder, chat, "last_reply")) == [said]
        alone = encode(folder, Chat(CALLING[:2], TOOLS))
        assert learned_texts(folder, alone) == [CALLS[name]]
    else:
        assert learned_texts(folder, encoded) == [CALLS[name], said]
    assert {name for name, family in FAMILIES.items() if family.tools} == set(CALLS)
    text, ids = theirs(folder, chat)
    assert encode(folder, chat, "last_reply").input_ids.tolist() == ids
    assert "add" in text


@pytest.mark.parametrize("name", ["chatml", "phi4", "zephyr"])
def test_a_template_that_knows_no_tool_calls(folders: dict[str, Path], name: str) -> None:
    drop = Drop("content_changed", "the chat template leaves out a tool call")
    assert encode(folders[name], Chat(CALLING[:2])) == drop


def test_tools_that_stand_in_the_last_question(folders: dict[str, Path]) -> None:
    chat = Chat((*DIALOGUE.messages, *CALLING), TOOLS)
    drop = encode(folders["mistral"], chat)
    assert isinstance(drop, Drop)
    assert "tokenize.train_on: last_reply" in drop.detail
    last = encode(folders["mistral"], chat, "last_reply")
    assert learned_texts(folders["mistral"], last) == [" It is 2.</s>"]


THOUGHT = "<think>\nHm,\n\nso.\n</think>\n\nYo"


def test_reasoning(folders: dict[str, Path]) -> None:
    folder = folders["qwen3"]
    thinking = Message("assistant", THOUGHT)
    single = encode(folder, Chat((TURNS[0], thinking)))
    assert learned_texts(folder, single) == [f"{THOUGHT}<|im_end|>"]
    chat = Chat((TURNS[0], thinking, Message("user", "So?"), thinking))
    assert isinstance(encode(folder, chat), Drop)
    last = encode(folder, chat, "last_reply")
    assert learned_texts(folder, last) == [f"{THOUGHT}<|im_end|>"]
    text, ids = theirs(folder, chat)
    assert last.input_ids.tolist() == ids
    assert text.count("Hm,") == 1
    # Reasoning between two tool calls stays, so that all of it is learned.
    calling = Message("assistant", THOUGHT, CALL)
    chat = Chat((TURNS[0], calling, CALLING[2], thinking), TOOLS)
    first, second = learned_texts(folder, encode(folder, chat))
    assert first.startswith(f"{THOUGHT}\n<tool_call>") and first.endswith("</tool_call><|im_end|>")
    assert second == f"{THOUGHT}<|im_end|>"
    # Templates that know no reasoning keep it as text.
    plain = encode(folders["chatml"], Chat((TURNS[0], thinking)))
    assert learned_texts(folders["chatml"], plain) == [f"{THOUGHT}<|im_end|>"]


def with_template(model: Path, folder: Path, template: str) -> Path:
    shutil.copytree(model, folder)
    (folder / "chat_template.jinja").write_text(template)
    return folder


def test_a_template_that_leaves_learned_reasoning_out(
    folders: dict[str, Path], tmp_path: Path
) -> None:
    prompted = (TEMPLATES / "deepseek_r1.jinja").read_text()
    chat = Chat((TURNS[0], Message("assistant", THOUGHT)))
    folder = with_template(folders["deepseek"], tmp_path / "a", prompted)
    assert encode(folder, chat) == Drop(
        "prefix_changed",
        "turn 2 does not begin with the generation prompt of the chat template: "
        "mend models/base/chat_template.jinja at its source",
    )
    prompted = prompted.replace("<think>\\n", "")
    folder = with_template(folders["deepseek"], tmp_path / "b", prompted)
    assert encode(folder, chat) == Drop(
        "content_changed", "the chat template changes or leaves out what a turn says"
    )


WORDS = [
    "Yo",
    " Yo",
    "\n",
    " ",
    "\t",
    '"',
    "\\",
    "{",
    "é",
    "你好",
    "🙂",
    "x",
    "\u2003",
    "\u0301",
    "<",
]


@pytest.mark.parametrize("name", FAMILIES)
@settings(max_examples=60, deadline=None)
@given(data=st.data())
def test_whatever_is_said_comes_back(folders: dict[str, Path], name: str, data) -> None:
    family = FAMILIES[name]
    parts = st.sampled_from([*WORDS, *family.control]) | st.characters(codec="utf-8")
    says = st.lists(parts, min_size=1).map("".join)
    says = says.filter(lambda said: said.strip() and "▁" not in said)
    turns = data.draw(st.lists(st.tuples(says, says), min_size=1, max_size=3))
    texts = [text for turn in turns for text in turn]
    roles = ("user", "assistant")
    chat = Chat(tuple(Message(roles[n % 2], text) for n, text in enumerate(texts)))
    folder, train_on = folders[name], "last_reply" if name == "qwen3" else "all_replies"
    answers = texts[-1:] if name == "qwen3" else texts[1::2]
    encoded = encode(folder, chat, train_on)
    assert learned_texts(folder, encoded) == [family.learned(answer) for answer in answers]
    # The control tokens are those of a conversation that spells none.
    harmless = encode(folder, Chat(tuple(Message(m.role, "x") for m in chat.messages)), train_on)
    control = set(encoder(folder).tokenizer.control.values())
    found = [[id for id in row.input_ids.tolist() if id in control] for row in (encoded, harmless)]
    assert found[0] == found[1]


def parse(*turns: dict[str, object]) -> Record | Drop:
    return parse_messages({"messages": list(turns)}, Source("x", "messages", "CC0-1.0"))


def turn(role: str, content: str, **marks: object) -> dict[str, object]:
    return {"role": role, "content": content, **marks}


def test_marked_replies(folders: dict[str, Path]) -> None:
    said = [turn("user", "a"), turn("assistant", "b"), turn("user", "c"), turn("assistant", "d")]
    plain = parse(*said)
    on = parse(said[0], said[1] | {"weight": 1}, said[2] | {"train": False}, said[3])
    assert on == plain
    first_off = parse(said[0], said[1] | {"weight": 0}, *said[2:])
    last_off = parse(*said[:3], said[3] | {"train": False})
    none = parse(said[0], said[1] | {"train": False}, said[2], said[3] | {"weight": 0.0})
    folder = folders["chatml"]
    b, d = "b<|im_end|>", "d<|im_end|>"
    for chat, texts in ((plain, [b, d]), (first_off, [d]), (last_off, [b])):
        assert record_from_json(record_to_json(chat)) == chat
        assert learned_texts(folder, encode(folder, chat, "marked")) == texts
        assert learned_texts(folder, encode(folder, chat)) == [b, d]
    assert encode(folder, none, "marked") == Drop(
        "nothing_to_learn", "every reply is marked as not to be learned"
    )
    # Ids of rows without marks are what they were before there were marks.
    assert content_id(plain) == "616a189b2e4a674cd183b3a8cec7e158"
    assert len({content_id(chat) for chat in (plain, first_off, last_off)}) == 3


@pytest.mark.parametrize(
    ("mark", "detail"),
    [
        ({"weight": 0.5}, "'weight' of a turn is 0 or 1, not 0.5"),
        ({"train": "no"}, "'train' of a turn is true or false, not no"),
        ({"train": 1}, "'train' of a turn is true or false, not 1"),
        ({"weight": [1]}, "'weight' of a turn is 0 or 1, not [1]"),
    ],
)
def test_bad_marks(mark: dict[str, object], detail: str) -> None:
    assert parse(turn("user", "a"), turn("assistant", "b", **mark)) == Drop(Reason.BAD_MARK, detail)
