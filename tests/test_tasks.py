"""Tasks other than chat: what is encoded, losses as transformers has them, training to the end."""

import json
import shutil
from dataclasses import replace
from pathlib import Path

import datasets
import numpy as np
import pytest
import torch
from conftest import write_rows
from safetensors.torch import load_file, save_file
from test_train import FULL, TRAIN
from transformers import AutoTokenizer

from sftlib.base.new import characters, make_new
from sftlib.core.errors import DataError, UsageError
from sftlib.core.labels import MANY, NO_LOSS, NUMBER, ONE, TAGS, LabelSet, read_labels
from sftlib.core.params import Evaluate, Lora, Tokenize, Train
from sftlib.core.records import Chat, Labeled, Message, Record, Tagged, record_to_json
from sftlib.core.tally import Drop
from sftlib.encode.dataset import encode_split
from sftlib.encode.packing import by_length
from sftlib.encode.rows import Encoded
from sftlib.encode.tasks import ENCODERS
from sftlib.score.exam import Exam
from sftlib.train.batches import PackedSplit
from sftlib.train.device import prepare_device
from sftlib.train.heads import HEADS, balanced_weights
from sftlib.train.loop import Run, fit
from sftlib.train.loss import label_count
from sftlib.train.model import Trainee, load_model
from sftlib.train.padded import check_padding, disturbed, label_logits, loss_sum, pad_rows

CPU = torch.device("cpu")
WORDS = ["the", "cat", "sat", "ann", "play", "##ing", "is", "in", "rome", "?", "good", "bad"]


@pytest.fixture(scope="session")
def tiny_bert(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A random BERT of two layers without a head, with a WordPiece tokenizer of a few words."""
    from transformers import BertConfig, BertModel, BertTokenizer

    folder = tmp_path_factory.mktemp("bert")
    special = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
    vocabulary = {word: number for number, word in enumerate([*special, *WORDS])}
    BertTokenizer(vocab=vocabulary).save_pretrained(folder)
    torch.manual_seed(0)
    sizes = {"hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 2}
    config = BertConfig(
        vocab_size=len(vocabulary), num_attention_heads=4, max_position_embeddings=64, **sizes
    )
    BertModel(config).save_pretrained(folder)
    return folder


@pytest.fixture(scope="session")
def tiny_t5(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("new") / "t5"
    make_new(
        "t5", {"d_model": 32, "d_ff": 64, "num_layers": 2, "num_heads": 4, "d_kv": 8}, None, folder
    )
    return folder


def encode(
    task: str, model: Path, rows: list[Record], labels: LabelSet | None, too_long: str = "drop"
) -> list[Encoded | Drop]:
    params = Tokenize(8, too_long, 100)
    return ENCODERS[task].encoder(model, params, labels).encode(rows)


ONE_OF_TWO = LabelSet(ONE, ("bad", "good"), (1, 3), 4)
SPANS = LabelSet(TAGS, ("B-city", "B-person", "O"), (1, 1, 6), 8)


def test_a_text_and_its_class(tiny_bert: Path) -> None:
    rows = [Labeled("The cat", "good"), Labeled("[SEP] cat", "bad"), Labeled("cat", "odd")]
    first, spelled, unknown = encode("classify", tiny_bert, rows, ONE_OF_TWO)
    theirs = AutoTokenizer.from_pretrained(tiny_bert)
    assert first.input_ids.tolist() == theirs("The cat").input_ids
    assert first.labels.tolist() == [1]
    assert spelled.input_ids.tolist().count(3) == 1  # the [SEP] at the end alone
    assert unknown == Drop("unknown_label", "'odd' does not occur in train")


def test_labels_and_scores(tiny_bert: Path) -> None:
    several = LabelSet(MANY, ("a", "b", "c"), (1, 1, 1), 3)
    rows: list[Record] = [Labeled("cat", ("c", "a")), Labeled("cat", ()), Labeled("cat", 0.5)]
    both, none, score = encode("classify", tiny_bert, rows, several)
    assert both.labels.tolist() == [1.0, 0.0, 1.0]
    assert none.labels.tolist() == [0.0, 0.0, 0.0]
    assert score == Drop("other_kind_of_label", f"a label of {NUMBER}, train has {MANY}")
    numbers = LabelSet(NUMBER, (), (), 2, 0.5)
    half, reserved = encode(
        "classify", tiny_bert, [Labeled("cat", 0.5), Labeled("cat", -100.0)], numbers
    )
    assert (half.labels.dtype, half.labels.tolist()) == (np.float32, [0.5])
    assert reserved == Drop("reserved_label", "-100 is no score")


def test_long_texts_are_dropped_or_cut_and_counted(tiny_bert: Path) -> None:
    row = Labeled("the cat sat in rome is good", "good")
    (drop,) = encode("classify", tiny_bert, [row], ONE_OF_TWO)
    assert drop == Drop("too_long", "9 tokens, tokenize.max_tokens is 8")
    (cut,) = encode("classify", tiny_bert, [row], ONE_OF_TWO, "truncate")
    assert (len(cut.input_ids), int(cut.input_ids[-1]), cut.changed) == (8, 3, ("truncated",))
    (none,) = encode("classify", tiny_bert, [Labeled("\u200b", "good")], ONE_OF_TWO)
    assert none == Drop("no_token", "the tokenizer leaves nothing of the text")


def test_the_first_token_of_a_word_has_its_tag(tiny_bert: Path) -> None:
    words, tags = ("Ann", "is", "playing", "\u200b"), ("B-person", "O", "O", "B-city")
    (found,) = encode("tag", tiny_bert, [Tagged(words, tags)], SPANS)
    tokens = AutoTokenizer.from_pretrained(tiny_bert).convert_ids_to_tokens(found.input_ids)
    assert tokens == ["[CLS]", "ann", "is", "play", "##ing", "?", "[SEP]"]
    assert found.labels.tolist() == [NO_LOSS, 1, 2, 2, NO_LOSS, 0, NO_LOSS]


def test_words_that_are_cut_off_have_no_label(tiny_bert: Path) -> None:
    sentence = Tagged(("playing",) * 5, ("O", "B-city", "O", "B-person", "O"))
    (drop,) = encode("tag", tiny_bert, [sentence], SPANS)
    assert isinstance(drop, Drop)
    (cut,) = encode("tag", tiny_bert, [sentence], SPANS, "truncate")
    assert cut.labels.tolist() == [NO_LOSS, 2, NO_LOSS, 0, NO_LOSS, 2, NO_LOSS, NO_LOSS]
    assert cut.changed == ("truncated",)
    (unknown,) = encode("tag", tiny_bert, [Tagged(("cat",), ("I-city",))], SPANS)
    assert unknown == Drop("unknown_label", "'I-city' does not occur in train")


def test_an_answer_is_what_the_decoder_learns(tiny_t5: Path) -> None:
    turns = (Message("user", "a你"), Message("assistant", "b"))
    found, long = encode("seq2seq", tiny_t5, [Chat(turns), Labeled("a", "b" * 8)], None)
    tokenizer = AutoTokenizer.from_pretrained(tiny_t5)
    assert len(found.input_ids) == 1 + 3 + 1
    assert tokenizer.decode(found.input_ids) == "a你</s>"
    assert tokenizer.decode(found.labels) == "b</s>"
    assert long == Drop("too_long", "9 tokens, tokenize.max_tokens is 8")


def test_more_tokens_than_positions(tiny_bert: Path) -> None:
    with pytest.raises(UsageError, match="max_tokens: 65, but the base model has 64 positions"):
        ENCODERS["classify"].encoder(tiny_bert, Tokenize(65, "drop", 100), ONE_OF_TWO)


def split_of(folder: Path, rows: list[Record]) -> Path:
    fields = [{"id": str(n), "source": "a", **record_to_json(r)} for n, r in enumerate(rows)]
    write_rows(folder / "train/a/a.jsonl", fields)
    return folder / "train"


def test_labels_are_found_in_train(tmp_path: Path) -> None:
    labels, words = ENCODERS["classify"].labels, ENCODERS["tag"].labels
    rows: list[Record] = [Labeled("x", "b"), Labeled("y", "a"), Labeled("z", "b")]
    assert labels(split_of(tmp_path / "a", rows)) == LabelSet(ONE, ("a", "b"), (1, 2), 3)
    rows = [Labeled("x", ("b", "c")), Labeled("y", ("c",))]
    found = labels(split_of(tmp_path / "b", rows))
    assert found == LabelSet(MANY, ("b", "c"), (1, 2), 2)
    found.write(tmp_path)
    assert read_labels(tmp_path) == found
    rows = [Labeled("x", 1.0), Labeled("y", 2.0)]
    assert labels(split_of(tmp_path / "c", rows)) == LabelSet(NUMBER, (), (), 2, 1.5)
    rows = [Tagged(("x", "y"), ("O", "B-a"))]
    assert words(split_of(tmp_path / "d", rows)) == LabelSet(TAGS, ("B-a", "O"), (1, 1), 2)
    with pytest.raises(DataError, match="several kinds: 1 of regression, 1 of single_label_cla"):
        labels(split_of(tmp_path / "e", [Labeled("x", 1.0), Labeled("y", "a")]))
    with pytest.raises(DataError, match=r"train has 1 label \(a\): nothing is learned"):
        labels(split_of(tmp_path / "f", [Labeled("x", "a"), Labeled("y", "a")]))
    with pytest.raises(DataError, match="task: tag needs rows with tags, train has none"):
        words(tmp_path / "f/train")


def test_packs_of_equal_length() -> None:
    lengths = [(n * 37) % 100 + 1 for n in range(200)]
    packs = by_length(lengths, 400)
    padded, rows = 0, 0
    for pack in set(packs):
        inside = [length for length, p in zip(lengths, packs, strict=True) if p == pack]
        assert max(inside) * len(inside) <= 400
        assert max(inside) - min(inside) < 32
        padded, rows = padded + max(inside) * len(inside), rows + len(inside)
    assert rows == 200
    assert sum(lengths) / padded > 0.8
    neighbours = [row for row, pack in enumerate(by_length([10] * 50, 50)) if pack == 0]
    assert neighbours != sorted(range(5))  # rows that stand together are not trained together
    assert by_length([500], 400) == [0]


def row(length: int, labels: list[float]) -> dict[str, list]:
    return {"input_ids": [2, *(5 + (n * 7) % 12 for n in range(length - 2)), 3], "labels": labels}


CASES = {
    "one": ("classify", ONE_OF_TWO, [row(5, [1]), row(9, [0]), row(4, [1])]),
    "many": (
        "classify",
        LabelSet(MANY, ("a", "b", "c"), (1, 1, 1), 3),
        [row(5, [1.0, 0.0, 1.0]), row(9, [0.0, 0.0, 0.0])],
    ),
    "number": ("classify", LabelSet(NUMBER, (), (), 2, 0.0), [row(5, [0.5]), row(9, [-2.0])]),
    "tag": (
        "tag",
        SPANS,
        [row(4, [NO_LOSS, 1, NO_LOSS, NO_LOSS]), row(6, [NO_LOSS, 0, 2, 2, 2, NO_LOSS])],
    ),
}


@pytest.mark.parametrize("case", CASES)
def test_losses_are_those_of_transformers(case: str, tiny_bert: Path) -> None:
    task, labels, rows = CASES[case]
    torch.manual_seed(1)
    model = load_model(tiny_bert, torch.float32, CPU, head=HEADS[task], labels=labels)
    pack = pad_rows(rows)
    of_rows = pack.labels if case in ("many", "tag") else pack.labels[:, 0]
    theirs = model(input_ids=pack.input_ids, attention_mask=pack.mask, labels=of_rows).loss
    ours = loss_sum(model, pack) / label_count(pack)
    assert float(ours.detach()) == pytest.approx(float(theirs.detach()), abs=1e-6)
    check_padding(model, rows, 1e-5)


def test_the_loss_of_t5_is_that_of_transformers(tiny_t5: Path) -> None:
    model = load_model(tiny_t5, torch.float32, CPU, head=HEADS["seq2seq"])
    rows = [row(5, [9, 8, 1]), row(9, [7, 1])]
    pack = pad_rows(rows)
    theirs = model(input_ids=pack.input_ids, attention_mask=pack.mask, labels=pack.labels).loss
    ours = loss_sum(model, pack) / label_count(pack)
    assert float(ours.detach()) == pytest.approx(float(theirs.detach()), abs=1e-6)
    check_padding(model, rows, 1e-5)


@pytest.mark.parametrize("kind", ["llama", "gpt2"])
def test_the_loss_of_causal_models_is_that_of_transformers(
    kind: str, tiny_model: Path, tmp_path: Path
) -> None:
    folder = tiny_model
    if kind == "gpt2":
        folder = tmp_path / "gpt2"
        make_new("gpt2", {"n_embd": 32, "n_layer": 2, "n_head": 4}, None, folder)
    model = load_model(folder, torch.float32, CPU, "sdpa")
    ids = torch.tensor([[5, 9, 7, 8, 6]])
    theirs = model(input_ids=ids, labels=ids).loss
    head = HEADS["chat"]
    pack = head.lay([{"input_ids": ids[0].tolist(), "labels": [*ids[0, 1:].tolist(), NO_LOSS]}])
    packed = load_model(folder, torch.float32, CPU)
    ours = head.loss_sum(packed, pack) / label_count(pack)
    assert float(ours.detach()) == pytest.approx(float(theirs.detach()), abs=1e-6)


def test_a_model_that_looks_at_padding_is_refused(tiny_bert: Path) -> None:
    task, labels, rows = CASES["one"]
    model = load_model(tiny_bert, torch.float32, CPU, head=HEADS[task], labels=labels)
    forward = model.forward
    model.forward = lambda attention_mask, **inputs: forward(**inputs)  # type: ignore[method-assign]
    with pytest.raises(UsageError, match="models of type bert look at padding"):
        check_padding(model, rows, 1e-6)


def test_class_weights(tiny_bert: Path) -> None:
    assert balanced_weights(ONE_OF_TWO).tolist() == [2.0, pytest.approx(2 / 3)]
    assert balanced_weights(LabelSet(MANY, ("a",), (1,), 4)).tolist() == [3.0]
    for case, weights in (("one", [2.0, 0.5]), ("many", [2.0, 3.0, 4.0])):
        task, labels, rows = CASES[case]
        model = load_model(tiny_bert, torch.float32, CPU, head=HEADS[task], labels=labels)
        found = loss_sum(model, pad_rows(rows), weights=torch.tensor(weights)).detach()
        logits, gold = label_logits(model, pad_rows(rows))
        if case == "one":
            logs = logits.log_softmax(-1)
            expected = -sum(weights[g] * logs[n, g] for n, g in enumerate(gold.tolist()))
        else:
            flags, logits = gold.view(-1, 3), logits.view(-1, 3)
            had = flags * torch.tensor(weights) * logits.sigmoid().log()
            expected = -(had + (1 - flags) * (-logits).sigmoid().log()).sum()
        assert float(found) == pytest.approx(float(expected.detach()), rel=1e-5)


def test_smoothing_of_flags_and_noise(tiny_bert: Path) -> None:
    task, labels, rows = CASES["many"]
    model = load_model(tiny_bert, torch.float32, CPU, head=HEADS[task], labels=labels)
    pack = pad_rows(rows)
    logits, gold = label_logits(model, pack)
    soft = gold * 0.8 + 0.1
    expected = torch.nn.functional.binary_cross_entropy_with_logits(
        logits[:, 0], soft, reduction="sum"
    )
    found = loss_sum(model, pack, smoothing=0.2)
    assert float(found.detach()) == pytest.approx(float(expected.detach()), rel=1e-5)
    noise = (disturbed(model, pack, 5.0) - model.get_input_embeddings()(pack.input_ids)).abs()
    for vectors, length in zip(noise.detach(), (5, 9), strict=True):
        assert 0.8 * 5 / (length * 32) ** 0.5 < float(vectors.max()) <= 5 / (length * 32) ** 0.5


def tokenized(folder: Path, rows: list[dict[str, list]], labels: LabelSet | None) -> Path:
    fields = [{"id": str(n), "source": "a", "pack": n // 2, **r} for n, r in enumerate(rows * 4)]
    split = datasets.Dataset.from_list(fields)
    datasets.DatasetDict(dict.fromkeys(("train", "validation", "test"), split)).save_to_disk(folder)
    if labels is not None:
        labels.write(folder)
    return folder


def train(model: Path, folder: Path, task: str, params: Train, checkpoints: Path) -> Run:
    head, device = HEADS[task], prepare_device(params)
    trainee = Trainee(model, params, device, head, read_labels(folder))
    splits = [PackedSplit(folder, name, head.lay) for name in ("train", "validation")]
    return Run(
        params, device, trainee, *splits, checkpoints, 0, lambda step, note: None, head.loss_sum
    )


@pytest.mark.parametrize("case", [*CASES, "seq2seq"])
@pytest.mark.parametrize("lora", [None, Lora(4, 8.0, 0.0)], ids=["full", "lora"])
def test_training_and_what_is_saved(
    case: str, lora: Lora | None, tiny_bert: Path, tiny_t5: Path, tmp_path: Path
) -> None:
    answers = ("seq2seq", None, [row(5, [9, 8, 1]), row(9, [7, 1])])
    task, labels, rows = CASES.get(case, answers)
    folder = tokenized(tmp_path / "tokenized", rows, labels)
    params = replace(TRAIN if lora else FULL, lora=lora, lr=1e-2, epochs=4)
    model = tiny_t5 if case == "seq2seq" else tiny_bert
    run = train(model, folder, task, params, tmp_path / "c")
    position = fit(run)
    assert position.best_loss < position.train_losses[0][1]
    pack = run.validation.pack(0)
    with torch.no_grad():
        expected = float(loss_sum(run.trainee.model.eval(), pack))
        run.trainee.save(tmp_path / "saved")
        saved = load_model(tmp_path / "saved", torch.float32, CPU, head=HEADS[task])
        assert float(loss_sum(saved, pack)) == pytest.approx(expected, abs=1e-4)
    config = json.loads((tmp_path / "saved/config.json").read_text())
    if labels is not None and labels.names:
        assert config["id2label"] == {str(n): name for n, name in enumerate(labels.names)}
    assert config.get("problem_type") == (
        labels.problem if labels is not None and task == "classify" else None
    )


def test_adapters_alone_of_a_tagger_are_examined_with_its_labels(
    tiny_bert: Path, tmp_path: Path
) -> None:
    base = shutil.copytree(tiny_bert, tmp_path / "models/base")
    params = replace(TRAIN, lora=Lora(2, 4.0, 0.0, merge=False))
    trainee = Trainee(base, params, CPU, HEADS["tag"], SPANS)
    trainee.save(tmp_path / "models/tuned")
    SPANS.write(tmp_path)
    exam = Exam("tag", HEADS["tag"], tmp_path / "models", tmp_path, params, Evaluate(1, 1), CPU)
    tuned = exam.model("tuned")
    assert tuned.config.id2label == {0: "B-city", 1: "B-person", 2: "O"}
    pack = HEADS["tag"].lay(CASES["tag"][2])
    expected = loss_sum(trainee.model.eval(), pack)
    assert float(loss_sum(tuned.eval(), pack)) == pytest.approx(float(expected), abs=1e-4)


def test_adapters_of_a_classifier_are_fp32_and_its_head_is_trained(tiny_bert: Path) -> None:
    params = replace(TRAIN, precision="bf16", lora=Lora(2, 4.0, 0.0))
    for case in ("one", "tag"):
        task, labels, _ = CASES[case]
        trainee = Trainee(tiny_bert, params, CPU, HEADS[task], labels)
        assert {weight.dtype for weight in trainee.trained.values()} == {torch.float32}
        heads = {name for name in trainee.trained if "classifier" in name}
        assert {name.rpartition(".")[2] for name in heads} == {"weight", "bias"}
        assert not any("lora" in name for name in heads)
        assert len(trainee.trained) > 2


def test_a_new_head_is_the_same_each_time(tiny_bert: Path) -> None:
    found = []
    for _ in range(2):
        device = prepare_device(FULL)
        found.append(Trainee(tiny_bert, FULL, device, HEADS["classify"], ONE_OF_TWO).snapshot())
    assert all(torch.equal(found[0][name], weight) for name, weight in found[1].items())


def test_weights_that_are_missing(tiny_bert: Path, tmp_path: Path) -> None:
    folder = shutil.copytree(tiny_bert, tmp_path / "model")
    weights = load_file(folder / "model.safetensors")
    save_file(
        {name: weight for name, weight in weights.items() if ".1.output." not in name},
        folder / "model.safetensors",
        {"format": "pt"},
    )
    with pytest.raises(
        DataError, match=r"4 weights are missing .* bert\.encoder\.layer\.1\.output"
    ):
        load_model(folder, torch.float32, CPU, head=HEADS["tag"], labels=SPANS)


def test_rows_on_disk(tiny_bert: Path, tmp_path: Path) -> None:
    rows: list[Record] = [Labeled("cat", "bad"), Labeled("the cat sat", "good"), Labeled("x", "z")]
    split = split_of(tmp_path, rows)
    encoder = ENCODERS["classify"].encoder(tiny_bert, Tokenize(4, "truncate", 8), ONE_OF_TWO)
    origins = {str(n): f"a:{n}" for n in range(3)}
    found, metrics = encode_split(encoder, split, origins, tmp_path / "ledger")
    assert sorted(found["labels"]) == [[0], [1]]
    assert (metrics["rows_in"], metrics["kept"]) == (3, 2)
    assert metrics["dropped"] == {"unknown_label": 1}
    assert metrics["changed"] == {"truncated": 1}


def test_a_new_model(tmp_path: Path) -> None:
    sizes = {"d_model": 16, "d_ff": 16, "num_layers": 1, "num_heads": 2, "d_kv": 8}
    for name in "ab":
        make_new("t5", sizes, None, tmp_path / name)
    one, two = (tmp_path / name / "model.safetensors" for name in "ab")
    assert one.read_bytes() == two.read_bytes()
    weights = load_file(one)
    assert 0.04 < float(weights["shared.weight"].std()) < 0.06
    biases = [value for name, value in weights.items() if "relative_attention_bias" in name]
    assert len(biases) == 2 and all(3 < float(value.std()) < 5 for value in biases)
    assert not json.loads((tmp_path / "a/config.json").read_text())["scale_decoder_outputs"]
    tokenizer = AutoTokenizer.from_pretrained(tmp_path / "a")
    assert tokenizer.decode(tokenizer("zhōng 中\n").input_ids) == "zhōng 中\n</s>"
    with pytest.raises(UsageError, match=r"base\.uri: transformers has no model 'new:t9'"):
        make_new("t9", sizes, None, tmp_path / "c")
    with pytest.raises(UsageError, match=r"base\.config\.width: t5 has no such size; it has "):
        make_new("t5", {"width": 1}, None, tmp_path / "c")


def test_the_characters_of_a_charset_are_tokens_of_a_new_model(tmp_path: Path) -> None:
    sizes = {"d_model": 16, "d_ff": 16, "num_layers": 1, "num_heads": 2, "d_kv": 8}
    make_new("t5", sizes, "gb2312", tmp_path / "a")
    tokenizer = AutoTokenizer.from_pretrained(tmp_path / "a")
    ids = tokenizer("中文, 龘").input_ids
    assert len(ids) == 2 + 2 + 2 + 1  # 龘 is none of the charset's; one that is begins like it
    assert [tokenizer.decode(ids[place]) for place in (0, 1, 2)] == ["中", "文", ","]
    assert tokenizer.decode(ids) == "中文, 龘</s>"
    weights = load_file(tmp_path / "a/model.safetensors")
    assert len(weights["shared.weight"]) == len(tokenizer) > 7445 - 95 + 256 + 3


@pytest.mark.parametrize(
    ("charset", "size"), [("latin_1", 128), ("gb2312", 7445), ("euc_kr", 17048), ("big5", 13706)]
)
def test_sizes_of_charsets(charset: str, size: int) -> None:
    assert len(characters(charset)) == size


@pytest.mark.parametrize(
    ("charset", "message"),
    [
        ("gb1", r"base\.charset: Python has no charset 'gb1'; gb2312, "),
        ("rot13", r"base\.charset: Python has no charset 'rot13'; "),
        ("idna", r"base\.charset: Python has no charset 'idna'; "),
        ("utf-8", r"base\.charset: utf-8 holds 1111936 characters, .* at most 30000"),
    ],
)
def test_what_is_no_charset(charset: str, message: str, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=message):
        make_new("t5", {}, charset, tmp_path / "a")
    assert not (tmp_path / "a").exists()
