"""Scores of labelled tasks: sums per row give what sklearn, seqeval and scipy say of the whole."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from conftest import ROOT
from scipy.stats import pearsonr, spearmanr
from seqeval.metrics import f1_score as entity_f1
from seqeval.scheme import IOB2
from sklearn.metrics import classification_report, f1_score
from test_tasks import CASES, tiny_bert, tokenized  # noqa: F401, the fixture

from sftlib.core.labels import MANY, NUMBER, ONE, TAGS, LabelSet
from sftlib.core.params import load_params
from sftlib.core.rows import write_lines
from sftlib.score.classes import by_class, class_counts, expected_calibration_error
from sftlib.score.exam import Exam
from sftlib.score.labelled import Said, compare
from sftlib.score.predictions import Predictions, baseline
from sftlib.score.sheets import SHEETS
from sftlib.score.tasks import SCORES
from sftlib.train.device import prepare_device
from sftlib.train.heads import HEADS
from sftlib.train.model import Trainee

RANDOM = np.random.default_rng(5)
ROWS = np.repeat(np.arange(40), RANDOM.integers(1, 6, size=40))


def classes(problem: str, rows: np.ndarray, count: int) -> Predictions:
    logits = torch.tensor(RANDOM.normal(size=(len(rows), count)))
    gold = torch.tensor(RANDOM.integers(count, size=len(rows)))
    logits[torch.arange(len(rows)), gold] += 1.0
    return Predictions(problem, logits.float(), gold, rows)


def said(found: Predictions, labels: LabelSet) -> Said:
    both = {"baseline": baseline(found, labels), "tuned": found}
    return Said(labels, both, {name: SHEETS[labels.problem](p, labels) for name, p in both.items()})


def test_one_class() -> None:
    labels = LabelSet(ONE, ("a", "b", "c"), (6, 3, 1), 10)
    found = classes(ONE, np.arange(60), 3)
    metrics = compare(["x", "y"] * 30, said(found, labels))
    gold, chosen = found.gold, found.chosen
    assert metrics["tuned"]["accuracy"] == pytest.approx((gold == chosen).mean())
    for kind in ("macro", "micro"):
        expected = f1_score(gold, chosen, average=kind)
        assert metrics["tuned"][f"{kind}_f1"] == pytest.approx(expected)
    report = classification_report(gold, chosen, target_names=labels.names, output_dict=True)
    for name in labels.names:
        for key in ("precision", "recall"):
            assert metrics["by_class"][name][key] == pytest.approx(report[name][key])
        assert metrics["by_class"][name]["f1"] == pytest.approx(report[name]["f1-score"])
    worst = min(labels.names, key=lambda name: report[name]["f1-score"])
    assert metrics["worst_class"]["name"] == worst
    loss = torch.nn.functional.cross_entropy(found.logits, found.labels)
    assert metrics["tuned"]["loss"] == pytest.approx(float(loss), rel=1e-6)
    low, high = metrics["tuned"]["macro_f1_interval"]
    assert low < metrics["tuned"]["macro_f1"] < high
    assert metrics["by_source"]["x"]["rows"] == 30
    half = found.gold[::2], found.chosen[::2]
    assert metrics["by_source"]["x"]["tuned"]["macro_f1"] == pytest.approx(
        f1_score(*half, average="macro")
    )
    low, high = metrics["by_source"]["x"]["improvement"]["macro_f1_interval"]
    assert low < metrics["by_source"]["x"]["improvement"]["macro_f1"] < high
    assert metrics["improvement"]["verdict"] == "better"


def test_the_baseline_knows_the_shares_of_the_labels() -> None:
    labels = LabelSet(ONE, ("a", "b", "c"), (6, 3, 1), 10)
    found = classes(ONE, np.arange(60), 3)
    plain = compare(["x"] * 60, said(found, labels))["baseline"]
    assert plain["accuracy"] == pytest.approx((found.gold == 0).mean())
    expected = -np.log(np.array([0.6, 0.3, 0.1]))[found.gold].mean()
    assert plain["loss"] == pytest.approx(expected, rel=1e-6)
    assert plain["ece"] == pytest.approx(abs(0.6 - plain["accuracy"]))


def test_many_labels() -> None:
    labels = LabelSet(MANY, ("a", "b", "c"), (5, 2, 1), 10)
    logits = torch.tensor(RANDOM.normal(size=(120, 1))).float()
    gold = torch.tensor(RANDOM.integers(2, size=120)).float()
    found = Predictions(MANY, logits, gold, np.repeat(np.arange(40), 3))
    metrics = compare(["x"] * 40, said(found, labels))
    there, chosen = gold.numpy().reshape(40, 3), (logits.numpy() > 0).reshape(40, 3)
    for kind in ("macro", "micro"):
        expected = f1_score(there, chosen, average=kind)
        assert metrics["tuned"][f"{kind}_f1"] == pytest.approx(expected)
    assert metrics["tuned"]["exact_match"] == pytest.approx((there == chosen).all(axis=1).mean())
    assert metrics["tuned"]["accuracy"] == pytest.approx((there == chosen).mean())
    loss = torch.nn.functional.binary_cross_entropy_with_logits(logits[:, 0], gold)
    assert metrics["tuned"]["loss"] == pytest.approx(float(loss), rel=1e-6)


def test_numbers() -> None:
    labels = LabelSet(NUMBER, (), (), 50, 0.25)
    gold = torch.tensor(RANDOM.normal(size=50)).float()
    logits = (gold + torch.tensor(RANDOM.normal(size=50)) / 2).float()[:, None]
    found = Predictions(NUMBER, logits, gold, np.arange(50))
    metrics = compare(["x"] * 50, said(found, labels))
    pair = (logits[:, 0].numpy(), gold.numpy())
    assert metrics["tuned"]["mse"] == pytest.approx(float(((pair[0] - pair[1]) ** 2).mean()))
    assert metrics["tuned"]["pearson"] == pytest.approx(pearsonr(*pair).statistic, abs=1e-6)
    assert metrics["tuned"]["spearman"] == pytest.approx(spearmanr(*pair).statistic)
    assert metrics["baseline"]["mse"] == pytest.approx(float(((0.25 - pair[1]) ** 2).mean()))
    assert metrics["baseline"]["pearson"] == 0.0
    assert metrics["improvement"]["verdict"] == "better"
    assert "by_class" not in metrics


def test_entities_are_those_of_seqeval() -> None:
    names = ("B-city", "B-person", "I-city", "I-person", "O")
    labels = LabelSet(TAGS, names, (1, 1, 1, 1, 6), 10)
    found = classes(TAGS, ROWS, 5)
    metrics = compare(["x"] * 40, said(found, labels))
    ends = np.bincount(ROWS).cumsum()[:-1]
    gold, chosen = (
        [[names[tag] for tag in row] for row in np.split(tags, ends)]
        for tags in (found.gold, found.chosen)
    )
    expected = entity_f1(gold, chosen, mode="strict", scheme=IOB2)
    assert 0 < expected < 1
    assert metrics["tuned"]["entity_f1"] == pytest.approx(expected)
    macro = entity_f1(gold, chosen, mode="strict", scheme=IOB2, average="macro")
    assert metrics["tuned"]["entity_macro_f1"] == pytest.approx(macro)
    assert set(metrics["by_class"]) == {"city", "person"}
    assert metrics["baseline"]["entity_f1"] == 0.0  # it says O of every word
    low, high = metrics["improvement"]["entity_f1_interval"]
    assert low < metrics["improvement"]["entity_f1"] < high


def test_tags_that_are_no_spans() -> None:
    labels = LabelSet(TAGS, ("n", "v", "w"), (3, 2, 1), 6)
    found = classes(TAGS, ROWS, 3)
    metrics = compare(["x"] * 40, said(found, labels))
    assert metrics["labels"] == len(ROWS)
    expected = f1_score(found.gold, found.chosen, average="macro")
    assert metrics["tuned"]["macro_f1"] == pytest.approx(expected)
    assert "entity_f1" not in metrics["tuned"]


def test_counts_of_rows_add_up() -> None:
    found = classes(ONE, ROWS, 3)
    counts = class_counts(found.rows, found.gold, found.chosen, 3)
    half = found.rows < 20
    parts = [
        class_counts(found.rows[m] - low, found.gold[m], found.chosen[m], 3).sum(axis=0)
        for m, low in ((half, 0), (~half, 20))
    ]
    assert (parts[0] + parts[1] == counts.sum(axis=0)).all()
    absent = by_class(np.zeros((3, 2)), ("a", "b"))
    assert absent == {}


def test_calibration() -> None:
    confidence = np.array([0.9, 0.9, 0.6, 0.6])
    assert expected_calibration_error(confidence, np.array([1.0, 1, 1, 0])) == pytest.approx(0.1)
    assert expected_calibration_error(np.array([1.0]), np.array([1.0])) == 0.0


@pytest.mark.parametrize("case", CASES)
def test_the_stage_s_work(case: str, tiny_bert: Path, tmp_path: Path) -> None:  # noqa: F811
    task, labels, rows = CASES[case]
    params = replace(load_params(ROOT / "params.yaml").train, precision="fp32", lora=None)
    device = prepare_device(replace(params, threads=1, device="cpu"))
    Trainee(tiny_bert, params, device, HEADS[task], labels).save(tmp_path / "models/tuned")
    (tmp_path / "models/base").symlink_to(tiny_bert)
    data = tokenized(tmp_path / "tokenized", rows, labels)
    wanted = load_params(ROOT / "params.yaml").evaluate
    for count in (2, 3):
        wanted = replace(wanted, samples=count)
        exam = Exam(task, HEADS[task], tmp_path / "models", data, params, wanted, device)
        outcome = SCORES[task](exam)
        assert outcome.texts["samples.txt"].count("=== a ") == count
    metrics = outcome.metrics
    assert metrics["rows"] == 4 * len(rows)
    assert set(metrics["baseline"]) <= set(metrics["tuned"])
    assert write_lines(tmp_path / "rows.jsonl", outcome.lines) == metrics["rows"]
    assert ("confusion.csv" in outcome.texts) == (case in ("one", "tag"))
    if case == "one":
        lines = outcome.texts["confusion.csv"].splitlines()
        assert lines[0] == "actual,predicted"
        assert len(lines) == 1 + metrics["rows"]
