"""Chat templates, masks and packs."""

import json
import shutil
from pathlib import Path

import pytest
from conftest import CHATML
from hypothesis import given, settings
from hypothesis import strategies as st
from jinja2.sandbox import ImmutableSandboxedEnvironment
from tokenizers import Tokenizer
from transformers import AutoTokenizer

from sftlib.core.labels import NO_LOSS
from sftlib.core.params import Tokenize
from sftlib.core.records import Chat, Message, canonical_json
from sftlib.core.tally import Drop
from sftlib.encode.fast import load_fast
from sftlib.encode.packing import best_fit
from sftlib.encode.plain import is_plain
from sftlib.encode.rows import Encoded, Encoder
from sftlib.encode.spans import render
from sftlib.encode.template import ChatTemplate

TURNS = (Message("user", "Hi"), Message("assistant", "Yo"), Message("user", "So?"))
DIALOGUE = Chat((*TURNS, Message("assistant", "Fine.")))


def encoder(model: Path, max_tokens: int = 500, too_long: str = "drop") -> Encoder:
    return Encoder(model, Tokenize(max_tokens, too_long, 1000))


def encode(model: Path, chat: Chat) -> Encoded:
    (result,) = encoder(model).encode([chat])
    assert isinstance(result, Encoded)
    return result


def learned_texts(model: Path, encoded: Encoded) -> list[str]:
    tokenizer, runs, run = encoder(model).tokenizer, [], []
    for label in [*encoded.labels.tolist(), NO_LOSS]:
        if label != NO_LOSS:
            run.append(label)
        elif run:
            runs.append(tokenizer.decode(run))
            run = []
    return runs


def test_rendering_and_ids_equal_those_of_transformers(tiny_model: Path) -> None:
    messages = [{"role": m.role, "content": m.content} for m in DIALOGUE.messages]
    theirs = AutoTokenizer.from_pretrained(tiny_model)
    text = theirs.apply_chat_template(messages, tokenize=False)
    assert ChatTemplate(tiny_model).render(list(DIALOGUE.messages)) == text
    ours = encoder(tiny_model).tokenizer.decode(encode(tiny_model, DIALOGUE).input_ids.tolist())
    assert ours == text


def test_loss_is_on_answers_and_their_end_alone(tiny_model: Path) -> None:
    encoded = encode(tiny_model, DIALOGUE)
    assert learned_texts(tiny_model, encoded) == ["Yo<|im_end|>", "Fine.<|im_end|>"]


def test_labels_line_up_with_logits(tiny_model: Path) -> None:
    encoded = encode(tiny_model, DIALOGUE)
    for position, label in enumerate(encoded.labels):
        assert label in (NO_LOSS, *encoded.input_ids[position + 1 : position + 2])
    assert encoded.labels[-1] == NO_LOSS


def test_spelled_control_tokens_stay_text(tiny_model: Path) -> None:
    chat = Chat((Message("user", "<|im_end|>"), Message("assistant", "a<|im_start|>b")))
    ids = encode(tiny_model, chat).input_ids.tolist()
    assert (ids.count(0), ids.count(1)) == (2, 2)  # those of the two turns
    assert learned_texts(tiny_model, encode(tiny_model, chat)) == ["a<|im_start|>b<|im_end|>"]


def test_too_long_rows(tiny_model: Path) -> None:
    size = len(encode(tiny_model, DIALOGUE).input_ids)
    (drop,) = encoder(tiny_model, size - 1).encode([DIALOGUE])
    assert drop == Drop("too_long", f"{size} tokens, tokenize.max_tokens is {size - 1}")
    (cut,) = encoder(tiny_model, size - 1, "truncate").encode([DIALOGUE])
    assert isinstance(cut, Encoded)
    assert (len(cut.input_ids), len(cut.labels), cut.labels[-1]) == (size - 1, size - 1, NO_LOSS)
    (none,) = encoder(tiny_model, 4, "truncate").encode([DIALOGUE])
    assert none == Drop("no_answer_left", "the answer begins after 4 tokens")


MISTRAL = (
    "{{ bos_token }}{% for m in messages %}{% if m['role'] == 'user' %}[INST] {{ m['content'] }} "
    "[/INST]{% elif m['role'] == 'assistant' %} {{ m['content'] | trim }}{{ eos_token }}"
    "{% else %}{{ raise_exception('only user and assistant') }}{% endif %}{% endfor %}"
)
GEMMA = (
    "{{ bos_token }}{% for m in messages %}{% set role = 'model' if m['role'] == 'assistant' else "
    "m['role'] %}<start>{{ role }}\n{{ m['content'] | trim }}<end>\n{% endfor %}"
    "{% if add_generation_prompt %}<start>model\n{% endif %}"
)
PLAIN = "{% for m in messages %}{{ m['role'] }}: {{ m['content'] }}\n{% endfor %}"


@pytest.mark.parametrize(
    ("source", "answers"),
    [
        (MISTRAL, [" Yo<|im_end|>", " Fine.<|im_end|>"]),
        (GEMMA, ["Yo<end>\n", "Fine.<end>\n<|im_end|>"]),
        (PLAIN, ["assistant: Yo\n", "assistant: Fine.\n<|im_end|>"]),
    ],
    ids=["control-token-end", "text-end", "no-generation-prompt"],
)
def test_other_templates(tiny_model: Path, tmp_path: Path, source: str, answers: list[str]) -> None:
    shutil.copytree(tiny_model, tmp_path, dirs_exist_ok=True)
    (tmp_path / "chat_template.jinja").write_text(source)
    messages = [{"role": m.role, "content": m.content} for m in DIALOGUE.messages]
    theirs = AutoTokenizer.from_pretrained(tmp_path)
    text = theirs.apply_chat_template(messages, tokenize=False)
    assert ChatTemplate(tmp_path).render(list(DIALOGUE.messages)) == text
    assert learned_texts(tmp_path, encode(tmp_path, DIALOGUE)) == answers
    system = Chat((Message("system", "Be kind."), *DIALOGUE.messages))
    (result,) = encoder(tmp_path).encode([system])
    refused = Drop("template_refused", "only user and assistant")
    assert (result == refused) == (source == MISTRAL)


def test_a_template_that_changes_earlier_turns_makes_a_drop(tiny_model: Path) -> None:
    template = ChatTemplate(tiny_model)
    source = "{% for m in messages %}{{ loop.revindex }}{{ m['content'] }}{% endfor %}"
    template._template = template._template.environment.from_string(source)
    learned = [message.role == "assistant" for message in DIALOGUE.messages]
    drop = render(template, list(DIALOGUE.messages), None, learned)
    assert isinstance(drop, Drop)
    assert drop.reason == "prefix_changed"


@settings(max_examples=100, deadline=None)
@given(st.lists(st.text(max_size=20), min_size=2, max_size=6).filter(lambda t: len(t) % 2 == 0))
def test_any_content_comes_back(tiny_model: Path, texts: list[str]) -> None:
    roles = ("user", "assistant")
    chat = Chat(tuple(Message(roles[i % 2], text) for i, text in enumerate(texts)))
    try:
        "".join(texts).encode()
    except UnicodeEncodeError:
        return
    encoded = encode(tiny_model, chat)
    tokenizer = encoder(tiny_model).tokenizer
    rendered = ChatTemplate(tiny_model).render(list(chat.messages))
    assert tokenizer.decode(encoded.input_ids.tolist()) == rendered


@given(st.lists(st.integers(1, 100), max_size=50))
def test_packs_hold_no_more_than_their_capacity(lengths: list[int]) -> None:
    packs = best_fit(lengths, 100)
    totals = [0] * len(lengths)
    for length, pack in zip(lengths, packs, strict=True):
        totals[pack] += length
    assert max(totals, default=0) <= 100


def test_best_fit_example() -> None:
    assert best_fit([5, 3, 4, 2], capacity=8) == [0, 0, 1, 1]


def test_missing_template(tmp_path: Path) -> None:
    (tmp_path / "tokenizer_config.json").write_text("{}")
    with pytest.raises(Exception, match="has no chat template"):
        ChatTemplate(tmp_path)


BRANCHING = (
    "{% for m in messages %}{% if 'x' in m['content'] %}<x>{% endif %}{{ m['role'] }}:"
    "{{ m['content'] }}<|im_end|>{% endfor %}{% if add_generation_prompt %}assistant:{% endif %}"
)
ALIASED = "{% for m in messages %}{% set c = m['content'] %}{{ c }}<|im_end|>{% endfor %}"
WHOLE = "{% for m in messages %}{{ m }}<|im_end|>{% endfor %}"
NEXT = "{% for m in messages %}{{ m.content }}{{ loop.nextitem.content }}<|im_end|>{% endfor %}"
SLICED = "{% for m in messages[1:] %}{{ m.content }}<|im_end|>{% endfor %}"
FIRST = (
    "{% for m in messages %}{% if loop.first and messages[0]['role'] != 'system' %}Be good."
    "<|im_end|>{% endif %}{{ m.role + ': ' + m.content.strip() + '<|im_end|>' }}{% endfor %}"
    "{% if add_generation_prompt %}{{ 'assistant: ' }}{% endif %}"
)


@pytest.mark.parametrize(
    ("source", "plain"),
    [
        (CHATML, True),
        (FIRST, True),
        (MISTRAL, True),
        (PLAIN, True),
        (GEMMA, False),  # sets a name
        (BRANCHING, False),
        (ALIASED, False),
        (WHOLE, False),
        (NEXT, False),
        (SLICED, False),
    ],
)
def test_which_templates_are_plain(source: str, plain: bool) -> None:
    assert is_plain(ImmutableSandboxedEnvironment(), source) == plain


TOKENS = ["<|im_end|>", "<|im_start|>", "\ue0000\ue001", *"ab x\n\t0é你🙂\x04"]
CONTENTS = st.lists(st.sampled_from(TOKENS), max_size=8).map("".join)


@settings(max_examples=150, deadline=None)
@given(
    source=st.sampled_from([CHATML, FIRST, MISTRAL, GEMMA, PLAIN, BRANCHING]),
    contents=st.lists(CONTENTS, min_size=2, max_size=6).filter(lambda c: len(c) % 2 == 0),
)
def test_shapes_and_the_fast_tokenizer_change_nothing(
    tiny_model: Path, tmp_path_factory, source: str, contents: list[str]
) -> None:
    folder = tmp_path_factory.mktemp("template")
    for file in ("tokenizer.json", "tokenizer_config.json"):
        shutil.copy(tiny_model / file, folder / file)
    (folder / "chat_template.jinja").write_text(source)
    roles = ("user", "assistant")
    chat = Chat(tuple(Message(roles[i % 2], text) for i, text in enumerate(contents)))
    quick, slow = encoder(folder), encoder(folder)
    assert quick.tokenizer._fast is not None
    slow.template.is_plain, slow.tokenizer._fast = False, None
    (found,), (expected,) = quick.encode([chat]), slow.encode([chat])
    if isinstance(expected, Drop):
        assert found == expected
    else:
        assert found.input_ids.tolist() == expected.input_ids.tolist()
        assert found.labels.tolist() == expected.labels.tolist()


def test_a_library_that_differs_is_not_used(tiny_model: Path, tmp_path: Path) -> None:
    shutil.copytree(tiny_model, tmp_path, dirs_exist_ok=True)
    reference = Tokenizer.from_file(str(tiny_model / "tokenizer.json"))
    reference.encode_special_tokens = True
    assert load_fast(tiny_model / "tokenizer.json", reference) is not None
    config = json.loads((tiny_model / "tokenizer.json").read_text())
    config["model"]["merges"] = config["model"]["merges"][:3]
    (tmp_path / "tokenizer.json").write_text(json.dumps(config))
    assert load_fast(tmp_path / "tokenizer.json", reference) is None
    (tmp_path / "tokenizer.json").write_text("{}")
    assert load_fast(tmp_path / "tokenizer.json", reference) is None


def test_tools_reach_the_template_and_cannot_bring_control_tokens(
    tiny_model: Path, tmp_path: Path
) -> None:
    shutil.copytree(tiny_model, tmp_path, dirs_exist_ok=True)
    source = (
        "{% if tools %}{{ tools | tojson }}{% endif %}{% for m in messages %}{{ m.role }}:"
        "{{ m.content }}{% for c in m.tool_calls or [] %}{{ c.function | tojson }}{% endfor %}"
        "<|im_end|>{% endfor %}{% if add_generation_prompt %}assistant:{% endif %}"
    )
    (tmp_path / "chat_template.jinja").write_text(source)

    def using(argument: str) -> Chat:
        call = {"type": "function", "function": {"name": "add", "arguments": {"a": argument}}}
        calling = Message("assistant", "", canonical_json([call]))
        turns = (Message("user", "Hi"), calling, Message("tool", "2"), Message("assistant", "Yo"))
        return Chat(turns, canonical_json([{"name": "add"}]))

    good, hostile = encoder(tmp_path).encode([using("1"), using("<|im_end|>")])
    assert isinstance(good, Encoded)
    call = '{"arguments": {"a": "1"}, "name": "add"}<|im_end|>'
    assert learned_texts(tmp_path, good) == [call, "Yo<|im_end|>"]
    text = encoder(tmp_path).tokenizer.decode(good.input_ids.tolist())
    assert text.startswith('[{"name": "add"}]user:Hi<|im_end|>assistant:')
    assert hostile == Drop("control_token_in_tools", "a tool or its call spells a control token")
