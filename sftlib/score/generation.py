"""Answers of a model to the prompts of a fixed sample of rows."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from tokenizers import Tokenizer
from transformers import GenerationConfig, PreTrainedModel

from sftlib.core.labels import NO_LOSS
from sftlib.core.params import Train
from sftlib.train.batches import PackedSplit
from sftlib.train.device import autocast

ROWS_PER_BATCH = 8


@dataclass(frozen=True)
class Question:
    """A row's last answer and the ids before it."""

    row: int
    prompt_ids: list[int]
    prompt: str
    reference: str


def choose_questions(
    split: PackedSplit, count: int, tokenizer: Tokenizer, cut: "Cut | None" = None
) -> list[Question]:
    """The rows of smallest id: the same ones as long as they are in the split."""
    ids: list[str] = split.rows["id"]
    chosen = sorted(range(len(ids)), key=lambda row: ids[row])[:count]
    return [(cut or last_answer)(split.rows[row], row, tokenizer) for row in chosen]


def last_answer(fields: dict[str, Any], row: int, tokenizer: Tokenizer) -> Question:
    """Split a row before its last run of labels.

    labels line up with logits, so the first label of a run stands one before the token it names.
    """
    labels = fields["labels"]
    end = max(t for t, label in enumerate(labels) if label != NO_LOSS)
    start = end
    while start > 0 and labels[start - 1] != NO_LOSS:
        start -= 1
    prompt = fields["input_ids"][: start + 1]
    return Question(
        row,
        prompt,
        tokenizer.decode(prompt, skip_special_tokens=False),
        tokenizer.decode(labels[start : end + 1], skip_special_tokens=True),
    )


def whole_answer(fields: dict[str, Any], row: int, tokenizer: Tokenizer) -> Question:
    """A row of an encoder with a decoder: it is asked what the encoder reads."""
    asked, answer = fields["input_ids"], fields["labels"]
    prompt = tokenizer.decode(asked, skip_special_tokens=True)
    return Question(row, asked, prompt, tokenizer.decode(answer, skip_special_tokens=True))


Cut = Callable[[dict[str, Any], int, Tokenizer], Question]
# How a row of a task becomes a question.
CUTS: dict[str, Cut] = {"chat": last_answer, "seq2seq": whole_answer}


@torch.no_grad()
def generate_answers(
    model: PreTrainedModel,
    questions: list[Question],
    tokenizer: Tokenizer,
    max_new_tokens: int,
    train: Train,
) -> list[str]:
    """The most likely answer token by token (greedy) to each question."""
    model.set_attn_implementation("sdpa")  # batches here are padded, which packs never are
    model.eval()
    answers: dict[int, str] = {}
    by_length = sorted(questions, key=lambda q: (len(q.prompt_ids), q.row))
    for start in range(0, len(by_length), ROWS_PER_BATCH):
        batch = by_length[start : start + ROWS_PER_BATCH]
        ids = generate_ids(model, [q.prompt_ids for q in batch], max_new_tokens, train)
        for question, answer in zip(batch, ids, strict=True):
            answers[question.row] = tokenizer.decode(answer, skip_special_tokens=True)
    return [answers[question.row] for question in questions]


def generate_ids(
    model: PreTrainedModel, prompts: list[list[int]], max_new_tokens: int, train: Train
) -> list[list[int]]:
    """Greedy continuations of prompts, padded on the left to one length."""
    device = next(model.parameters()).device
    width = max(len(prompt) for prompt in prompts)
    stop = model.generation_config.eos_token_id if model.generation_config else None
    padding = (stop[0] if isinstance(stop, list) else stop) or 0
    ids = torch.tensor([[padding] * (width - len(p)) + p for p in prompts], device=device)
    mask = torch.tensor([[0] * (width - len(p)) + [1] * len(p) for p in prompts], device=device)
    config = GenerationConfig(
        max_new_tokens=max_new_tokens,
        do_sample=False,
        eos_token_id=stop,
        pad_token_id=padding,
        decoder_start_token_id=getattr(model.config, "decoder_start_token_id", None),
    )
    with autocast(device, train):
        output = model.generate(ids, attention_mask=mask, generation_config=config)  # type: ignore[operator]
    # A decoder of its own begins with a start token, not with the prompt.
    start = 1 if model.config.is_encoder_decoder else width
    return [row[start:].tolist() for row in output]
