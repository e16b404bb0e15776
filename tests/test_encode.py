"""Chat templates, masks and packs."""

import shutil
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from transformers import AutoTokenizer

from sftlib.core.labels import NO_LOSS
from sftlib.core.params import Tokenize
from sftlib.core.records import Chat, Message
from sftlib.core.tally import Drop
from sftlib.encode.packing import best_fit
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
    for label in [*encoded.labels, NO_LOSS]:
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
    ours = encoder(tiny_model).tokenizer.decode(encode(tiny_model, DIALOGUE).input_ids)
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
    ids = encode(tiny_model, chat).input_ids
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
    drop = render(template, list(DIALOGUE.messages))
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
    assert tokenizer.decode(encoded.input_ids) == rendered


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
