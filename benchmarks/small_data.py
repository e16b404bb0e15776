"""What each method for small data buys: macro-F1 on BBC news after a few rows of each class.

Run where `dvc repro base split` has run with the params of recipes/news, as
`python -m benchmarks.small_data --rows 8 32 --seeds 1 2 3`. Every method gets the same labelled
rows and the same half of the test split, and passes over about as many rows in training. Results
stand line by line in .sft/small_data.jsonl, so that a run goes on where it was ended; delete it to
measure anew.
"""

import os
import tempfile
from collections.abc import Iterator
from dataclasses import replace
from functools import cache
from pathlib import Path
from statistics import mean, stdev
from typing import Any

os.environ["HF_HUB_OFFLINE"] = "1"

import datasets
import numpy as np
import orjson
from scipy.stats import t

from benchmarks.report import Figure, figure, run_benchmark
from sftlib.compose.amounts import drawn, grouped
from sftlib.compose.compose import Folders, compose
from sftlib.compose.embeddings import embed
from sftlib.compose.logistic import fit_logistic, probabilities
from sftlib.core.augmentations import DeleteWords, ReplaceWords
from sftlib.core.labels import read_labels
from sftlib.core.params import Params, PseudoLabels, load_params
from sftlib.core.rows import read_folder, read_lines, write_lines
from sftlib.core.splits import SPLITS
from sftlib.encode.dataset import encode_split
from sftlib.encode.tasks import ENCODERS
from sftlib.score.classes import class_counts, macro_f1
from sftlib.score.predictions import predict
from sftlib.train.batches import PackedSplit
from sftlib.train.device import prepare_device
from sftlib.train.heads import HEADS
from sftlib.train.loop import Run, fit
from sftlib.train.model import Trainee

Row = dict[str, Any]

VALIDATION = 6  # rows of each class
UNLABELLED, TEST = 150, 255  # rows in all
VISITS = 320  # rows that training passes over
TOKENS, ROWS_PER_PACK = 64, 16
AUGMENT = (DeleteWords(), ReplaceWords())
# What each method changes in `compose` and in `train`.
METHODS: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "plain": ({}, {}),
    "augment": ({"augment": AUGMENT}, {}),
    "pseudo_labels": ({"pseudo_labels": PseudoLabels(confidence=0.9, rounds=2)}, {}),
    "freeze": ({}, {"freeze": ("*embeddings*", "*layer.[0-3].*")}),
    "r_drop": ({}, {"r_drop": 1.0}),
}
HEAD = "embeddings"  # a logistic regression on frozen embeddings, and no fine-tuning


def measure(rows: list[int], seeds: list[int]) -> list[Figure]:
    root, found = Path.cwd(), Path.cwd() / ".sft/small_data.jsonl"
    lines = read_lines(found) if found.exists() else ()
    scores = {tuple(line["run"]): line["macro_f1"] for line in lines}
    wanted = [(n, name, seed) for seed in seeds for n in rows for name in METHODS]
    wanted += [(n, HEAD, seed) for seed in seeds for n in rows]
    for run in wanted:
        if run not in scores:
            scores[run] = score(root, *run)
            with found.open("ab") as stream:
                stream.write(orjson.dumps({"run": run, "macro_f1": scores[run]}) + b"\n")
    return [
        entry
        for n in rows
        for name in (*METHODS, HEAD)
        for entry in figures_of(n, name, [scores[n, name, seed] for seed in seeds])
    ]


def figures_of(rows: int, name: str, scores: list[float]) -> Iterator[Figure]:
    case = f"{rows} rows of each class"
    yield figure(case, name, "macro-F1, mean", mean(scores), "")
    if len(scores) > 1:
        reach = float(t.ppf(0.975, len(scores) - 1)) * stdev(scores) / len(scores) ** 0.5
        yield figure(case, name, "macro-F1, half of 95% interval", reach, "")


def score(root: Path, rows: int, name: str, seed: int) -> float:
    chosen = choose(root, rows, seed)
    if name == HEAD:
        return score_of_head(root, chosen["train"])
    of_compose, of_train = METHODS[name]
    params = load_params(root / "params.yaml")
    tokenize = replace(params.tokenize, max_tokens=TOKENS, tokens_per_pack=TOKENS * ROWS_PER_PACK)
    of_train = {"seed": seed, "freeze": None, "validations_per_epoch": 1, **of_train}
    train = replace(params.train, **of_train)
    params = replace(
        params, tokenize=tokenize, train=train, compose=replace(params.compose, **of_compose)
    )
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        if name != "pseudo_labels":
            chosen["train"] = [row for row in chosen["train"] if "label" in row]
        for split in SPLITS:
            write_lines(folder / "split" / split / "bbc/x.jsonl", chosen[split])
        tokenized(root, folder, params)
        return score_of_training(root, folder, params)


def choose(root: Path, rows: int, seed: int) -> dict[str, list[Row]]:
    """`rows` labelled rows of each class and some without their label, drawn by `seed`; the rows
    of test are the same for all.
    """
    split = root / "data/split"
    train = drawn(read_folder(split / "train"), f"train {seed}")
    labelled = [
        row for group in grouped(train, lambda row: row["label"]).values() for row in group[:rows]
    ]
    taken = {row["id"] for row in labelled}
    rest = [row for row in train if row["id"] not in taken][:UNLABELLED]
    validation = drawn(read_folder(split / "validation"), f"validation {seed}")
    return {
        "train": labelled + [{k: v for k, v in row.items() if k != "label"} for row in rest],
        "validation": [
            row
            for group in grouped(validation, lambda row: row["label"]).values()
            for row in group[:VALIDATION]
        ],
        "test": test_rows(root),
    }


def test_rows(root: Path) -> list[Row]:
    return drawn(read_folder(root / "data/split/test"), "test")[:TEST]


def tokenized(root: Path, folder: Path, params: Params) -> None:
    """What the stages compose and tokenize make of folder/split."""
    ledger = root / "data/ledger/curate"
    places = Folders(
        folder / "split", ledger, root / "models/base", folder / "composed", folder / "ledger"
    )
    compose(places, params)
    coding = ENCODERS[params.task]
    labels = coding.labels(folder / "composed/train")
    encoder = coding.encoder(root / "models/base", params.tokenize, labels)
    ledgers = (ledger / "kept", folder / "ledger/augmented")
    origins = {entry["id"]: entry["at"] for place in ledgers for entry in read_folder(place)}
    splits = {
        name: encode_split(encoder, folder / "composed" / name, origins, folder / "encoded")[0]
        for name in SPLITS
    }
    datasets.disable_progress_bars()
    datasets.DatasetDict(splits).save_to_disk(folder / "tokenized")
    assert labels is not None
    labels.write(folder / "tokenized")


def score_of_training(root: Path, folder: Path, params: Params) -> float:
    """Macro-F1 on the test split of the base model, fine-tuned on folder/tokenized."""
    head, labels = HEADS[params.task], read_labels(folder / "tokenized")
    assert labels is not None
    device = prepare_device(params.train)
    train = PackedSplit(folder / "tokenized", "train", head.lay)
    validation = PackedSplit(folder / "tokenized", "validation", head.lay)
    choices = replace(params.train, epochs=max(1, round(VISITS / len(train.rows))))
    trainee = Trainee(root / "models/base", choices, device, head, labels)
    run = Run(
        choices, device, trainee, train, validation, folder / "checkpoints", 1e9, print_nothing
    )
    alpha = {} if choices.r_drop is None else {"r_drop": choices.r_drop}
    run.loss_sum = lambda *given: head.loss_sum(*given, **alpha)
    fit(run)
    test = PackedSplit(folder / "tokenized", "test", head.lay)
    said = predict(trainee.model, test, choices, head, labels.problem)
    counts = class_counts(said.rows, said.gold, said.chosen, len(labels.names))
    return float(macro_f1(counts.sum(axis=0)))


def print_nothing(step: int, note: str) -> None:
    pass


def score_of_head(root: Path, train: list[Row]) -> float:
    """Macro-F1 on the test split of a logistic regression on embeddings."""
    labelled = [row for row in train if "label" in row]
    names = sorted({row["label"] for row in labelled})
    params = load_params(root / "params.yaml").train
    vectors = embed([row["text"] for row in labelled], root / "models/base", params)
    gold = np.array([names.index(row["label"]) for row in labelled])
    weights = fit_logistic(vectors, gold, len(names))
    test, test_vectors = embedded_test(root)
    chosen = probabilities(weights, test_vectors).argmax(axis=1)
    truth = np.array([names.index(row["label"]) for row in test])
    counts = class_counts(np.arange(len(test)), truth, chosen, len(names))
    return float(macro_f1(counts.sum(axis=0)))


@cache
def embedded_test(root: Path) -> tuple[list[Row], Any]:
    test = test_rows(root)
    params = load_params(root / "params.yaml").train
    return test, embed([row["text"] for row in test], root / "models/base", params)


if __name__ == "__main__":
    run_benchmark(measure, rows=[8, 32, 128], seeds=[1, 2, 3])
