"""Every key of params.yaml changes what it says it changes."""

import dataclasses
import typing
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from conftest import ROOT
from test_train import new_run, tokenized  # noqa: F401, the fixture of tokenized rows

from sftlib.clean.source import Job, clean_source
from sftlib.core.errors import SftError
from sftlib.core.params import Curate, Params, Shares, Times, load_params
from sftlib.core.processor import has_bf16
from sftlib.core.records import Chat, Labeled, Message, Record, content_id, record_to_json
from sftlib.curate.deal import deal
from sftlib.curate.decontaminate import Leak, find_contaminated
from sftlib.curate.duplicates import find_duplicates
from sftlib.curate.survey import pooled, survey_rows
from sftlib.encode.packing import best_fit
from sftlib.encode.rows import Encoded, Encoder
from sftlib.fetch.bring import bring
from sftlib.report.card import model_card
from sftlib.score.exam import read_tokenizer
from sftlib.score.generation import choose_questions, generate_answers
from sftlib.train.batches import PackedSplit
from sftlib.train.device import autocast, prepare_device, settled
from sftlib.train.loop import fit
from sftlib.train.model import load_model

PARAMS = load_params(ROOT / "params.yaml")
DATA = {
    "clean.max_dropped": 0.1,
    "clean.max_line_bytes": 20,
    "clean.min_kept": 1.0,
    "clean.operators": None,
    "curate.near_duplicates": None,
    "curate.near_duplicates.threshold": 0.95,
    "curate.near_duplicates.ngram": 12,
    "curate.same_prompt": "keep_best",
    "curate.contradictions": "drop",
    "curate.group": "author",
    "split.validation": 0.3,
    "split.test": 0.3,
    "split.by_source": {"about": Shares(0.1, 0.8)},
    "split.fold": "1 of 2",
    "split.time": Times("date", "2026-01", "2026-02"),
    "split.decontaminate": None,
    "split.decontaminate.ngram": 3,
    "split.decontaminate.max_rows": 1,
    "tokenize.max_tokens": 20,
    "tokenize.too_long": "truncate",
    "tokenize.tokens_per_pack": 60,
    "tokenize.train_on": "last_reply",
}
TRAINING = {
    "train.seed": 2,
    "train.precision": "bf16",
    "train.lora": None,
    "train.lora.rank": 2,
    "train.lora.alpha": 16.0,
    "train.lora.dropout": 0.5,
    "train.lora.variant": "dora",
    "train.lora.target": ("q_proj",),
    "train.epochs": 2,
    "train.packs_per_step": 2,
    "train.lr": 1e-2,
    "train.warmup": 0.9,
    "train.weight_decay": 0.9,
    "train.max_grad_norm": None,
    "train.layer_lr_decay": 0.5,
    "train.label_smoothing": 0.2,
    "train.dropout": 0.5,
    "train.neftune_alpha": 5.0,
    "train.freeze": ("*.layers.0.*",),
    "train.ema": 0.9,
    "train.validations_per_epoch": 3,
    "train.patience": 1,
}
# Each has a test of its own: here for the key, elsewhere for what it names.
OTHERS = {"fetch", "sources", "base.uri", "base.licence", "base.sha256"}
OTHERS |= {"train.device", "train.threads", "evaluate.samples", "evaluate.max_new_tokens"}
OTHERS |= {"train.gradient_checkpointing"}  # changes memory, not the result: in test_train.py
OTHERS |= {"train.lora.merge", "train.lora.quantize"}  # in test_adapters.py
# In test_tasks.py and test_recipes.py.
OTHERS |= {"task", "base.config", "base.charset", "train.class_weights"}
# Changes how, not what: in test_executors.py, test_memo.py and test_train.py.
OTHERS |= {f"run.{key}" for key in ("executor", "workers", "ray_address", "memo_mb")}
OTHERS |= {"run.checkpoint_seconds"}
OTHERS |= {f"run.{key}" for key in ("processes", "nodes", "rendezvous")}  # in test_scale_out.py
COMPOSE = {"model", "select", "select.method", "select.rows", "balance_labels", "caps", "weights"}
OTHERS |= {f"compose.{key}" for key in COMPOSE}
# In test_augment.py, test_pseudo_labels.py and test_r_drop.py.
GUESSES = ("pseudo_labels", "pseudo_labels.confidence", "pseudo_labels.rounds")
OTHERS |= {"compose.augment", "train.r_drop", *(f"compose.{key}" for key in GUESSES)}
OTHERS |= {f"split.time.{key}" for key in ("key", "validation_from", "test_from")}


def keys_of(kind: Any, prefix: str = "") -> set[str]:
    """The dotted keys of a dataclass; a block that may be null counts itself too."""
    found = set()
    for name, hint in typing.get_type_hints(kind).items():
        options = [arg for arg in typing.get_args(hint) if dataclasses.is_dataclass(arg)]
        block = hint if dataclasses.is_dataclass(hint) else next(iter(options), None)
        if block is None or typing.get_origin(hint) is dict or options:
            found.add(prefix + name)
        if block is not None and typing.get_origin(hint) is not dict:
            found |= keys_of(block, f"{prefix}{name}.")
    return found


def test_every_key_is_here() -> None:
    assert keys_of(Params) == set(DATA) | set(TRAINING) | OTHERS


def changed(params: Any, key: str, value: object) -> Any:
    name, _, rest = key.partition(".")
    return replace(params, **{name: changed(getattr(params, name), rest, value) if rest else value})


def chat(prompt: str, answer: str) -> Chat:
    return Chat((Message("user", prompt), Message("assistant", answer)))


def data_built(params: Params, model: Path, folder: Path) -> list[object]:
    """What the data stages make of a few rows."""
    raw = folder / "data/raw/about.jsonl"
    raw.parent.mkdir(parents=True)
    good, faulty, echo = (
        '{"prompt": "how old?", "completion": "9"}',
        '{"prompt": 1}',
        '{"prompt": "a b c d e", "completion": "a b c d e"}',
    )
    raw.write_text("\n".join((good, faulty, echo)))
    rooms = (folder, folder / "rows", folder / "ledger")
    try:
        job = Job("about", params.sources["about"], params.clean, *rooms)
        cleaned: object = clean_source(job, params.run)
    except SftError as error:
        cleaned = str(error)
    base = "one two three four five six seven eight nine ten eleven twelve"
    pairs = [(base, "yes"), (base, "yes indeed"), ("a b c d e", "f"), ("a b c d e", "g")]
    rows: list[Record] = [chat(*pair) for pair in pairs]
    rows += [Labeled("film", "good"), Labeled("film", "bad")]
    fields = [{"id": str(n), "source": "about", "place": n / 50} for n in range(50)]
    fields = [{**f, "meta": {"date": "2026-01-09"}} for f in fields]
    splits = deal(fields, params.split, params.sources)
    turns = (*chat("a", "b").messages, *chat("c", "d").messages)
    chats = [chat("hi " * 4, "yo " * 9), Chat(turns), *rows[:4]]
    encoded = Encoder(model, params.tokenize).encode(chats)
    whole = [(e.input_ids.tolist(), e.labels.tolist()) for e in encoded if isinstance(e, Encoded)]
    rows_of_ids = [whole, [e for e in encoded if not isinstance(e, Encoded)]]
    packs = best_fit([len(ids) for ids, _ in whole], params.tokenize.tokens_per_pack)
    return [cleaned, curated(rows, params.curate), [splits, leaks(params)], rows_of_ids, packs]


def curated(rows: list[Record], curate: Curate) -> list[object]:
    """What is dropped, and how many clusters there are."""
    fields = [
        {"id": content_id(row), "meta": {"author": "anna"}, **record_to_json(row)} for row in rows
    ]
    survey = survey_rows(fields, curate)
    verdict = find_duplicates(pooled([("about/x.jsonl", survey)], PARAMS.sources), curate)
    return [sorted(verdict.duplicates), verdict.clusters]


def leaks(params: Params) -> dict[str, Leak]:
    """Rows that share words with a held out one: five of them fourteen, four of them five."""
    if params.split.decontaminate is None:
        return {}
    long = " ".join("abcdefghijklmn")
    texts = [long, *(f"{long} {n}" for n in range(5)), *(f"{long[:9]} {n}" for n in range(4))]
    rows = [
        (n == 0, {"id": str(n), "messages": [{"role": "user", "content": text}]})
        for n, text in enumerate(texts)
    ]
    return find_contaminated(lambda: rows, params.split.decontaminate)


@pytest.mark.parametrize("key", DATA)
def test_data_keys(key: str, tiny_model: Path, tmp_path: Path) -> None:
    start = changed(PARAMS, "tokenize.max_tokens", 60)
    start = changed(start, "clean.max_dropped", 0.5)
    before = data_built(start, tiny_model, tmp_path / "a")
    after = data_built(changed(start, key, DATA[key]), tiny_model, tmp_path / "b")
    different = [number for number in range(5) if before[number] != after[number]]
    expected = {"clean": [0], "curate": [1], "split": [2], "tokenize": [3, 4]}
    assert different
    assert set(different) <= set(expected[key.partition(".")[0]])


@pytest.mark.parametrize("key", TRAINING)
def test_training_keys(
    key: str,
    tiny_model: Path,
    tokenized: Path,  # noqa: F811
    tmp_path: Path,
) -> None:
    start = replace(PARAMS.train, threads=1, precision="fp32", device="cpu", lr=3e-3)
    start = replace(start, lora=replace(start.lora, dropout=0.1, rank=4), max_grad_norm=0.1)
    if key == "train.patience":
        # So many validations, at such a rate, that one of them is worse whatever is drawn.
        start = replace(start, lr=5.0, max_grad_norm=None, epochs=4, validations_per_epoch=6)
    other = changed(replace(PARAMS, train=start), key, TRAINING[key]).train
    found = []
    for number, params in enumerate((start, other)):
        run = new_run(tiny_model, tokenized, tmp_path / str(number), params)
        position = fit(run)
        found.append((position.train_losses, position.validation_losses, run.trainee.snapshot()))
    losses = [(repr(train), repr(validation)) for train, validation, _ in found]
    assert losses[0] != losses[1]


def test_threads_and_device() -> None:
    import torch

    for threads in (1, 2):
        prepare_device(replace(PARAMS.train, threads=threads, device="cpu"))
        assert torch.get_num_threads() == threads
    if torch.cuda.is_available():
        assert prepare_device(replace(PARAMS.train, device="cuda")).type == "cuda"
    else:
        with pytest.raises(SftError, match=r"train\.device: cuda, but torch sees no GPU"):
            prepare_device(replace(PARAMS.train, device="cuda"))


def test_precision_is_what_the_device_computes(tmp_path: Path) -> None:
    import torch

    cpuinfo = {
        "x86": "flags\t: sse avx512_bf16",
        "arm": "Features\t: fp bf16",
        "old": "flags: avx2",
    }
    for name, text in cpuinfo.items():
        (tmp_path / name).write_text(f"processor\t: 0\n{text}\n")
    found = {name: has_bf16(tmp_path / name) for name in [*cpuinfo, "absent"]}
    assert found == {"x86": True, "arm": True, "old": False, "absent": False}
    cpu, auto = torch.device("cpu"), replace(PARAMS.train, precision="auto")
    assert settled(auto, cpu).precision == ("bf16" if has_bf16() else "fp32")
    assert settled(replace(auto, precision="bf16"), cpu).precision == "bf16"
    types = [autocast(cpu, replace(auto, precision=p)) for p in ("bf16", "fp32")]
    assert [(t._enabled, t.fast_dtype) for t in types] == [
        (True, torch.bfloat16),
        (False, torch.float32),
    ]


def test_samples_and_their_length(tiny_model: Path, tokenized: Path) -> None:  # noqa: F811
    import torch

    split, tokenizer = PackedSplit(tokenized, "validation"), read_tokenizer(tiny_model)
    questions = choose_questions(split, 2, tokenizer)
    assert len(questions) == 2
    assert len(choose_questions(split, 5, tokenizer)) == 5
    model = load_model(tiny_model, torch.float32, torch.device("cpu"))
    train = replace(PARAMS.train, precision="fp32")
    short, long = (generate_answers(model, questions, tokenizer, n, train) for n in (2, 9))
    assert all(b.startswith(a) and len(b) > len(a) for a, b in zip(short, long, strict=True))


def test_uris_and_their_sha256(tmp_path: Path) -> None:
    with pytest.raises(SftError, match=r"absent-package==1 could not be downloaded"):
        bring("base.uri", "package:absent-package==1/x", "0" * 64, tmp_path / "a", tmp_path)


METRICS: dict[str, Any] = {
    "evaluate": {
        "base": {"loss": 2.0, "perplexity": 7.39, "token_accuracy": 0.5},
        "tuned": {"loss": 1.0, "perplexity": 2.72, "token_accuracy": 0.75},
        "rows": 9, "labels": 99, "questions": 0, "device": "cpu",
        "improvement": {"loss": 1.0, "loss_interval": [0.9, 1.1], "verdict": "better"},
        "worst_slice": {"by": "source", "name": "a", "loss": 1.5},
    },
    "split": {
        "train": 7, "validation": 1, "test": 1, "random_split": {"share_leaked_by_prompt": 0.25},
    },
    "curate": {"by_source": {"a": {"kept": 8}}},
    "clean": {"a": {"rows_in": 10, "kept": 9}},
}  # fmt: skip


def test_licences_and_origins_stand_in_the_card_and_cannot_break_it() -> None:
    hostile = 'x|y<script>alert("1")</script>\n# no `heading`'
    source = replace(PARAMS.sources["about"], licence=hostile)
    params = replace(PARAMS, sources={"a": source}, base=replace(PARAMS.base, licence="Odd-1.0"))
    card = model_card(params, METRICS, {})
    assert "licence `Odd-1.0`." in card
    assert "| loss | 2.0000 | 1.0000 |" in card
    (row,) = [line for line in card.splitlines() if line.startswith("| a |")]
    assert row.count("|") == 7
    before_params = card.partition("## Params")[0]
    assert "<script>" not in before_params.partition("---\n\n")[2]
    assert "# no" not in [line[:4] for line in card.splitlines()]
    assert before_params.startswith("---\nlicense: other\nlicense_name: ")
    assert before_params.splitlines()[4] == "---"
