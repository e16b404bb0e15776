"""Metrics: sums per row, texts, intervals and slices."""

import numpy as np
import pytest

from sftlib.score.compare import Result, compare, row_lines
from sftlib.score.generation import Question
from sftlib.score.intervals import interval, resampled_means
from sftlib.score.losses import RowLoss
from sftlib.score.text import text_scores


def results(base: list[float], tuned: list[float], labels: list[int]) -> dict[str, Result]:
    pairs = {"base": base, "tuned": tuned}
    return {
        name: Result([RowLoss(s, n // 2, n) for s, n in zip(sums, labels, strict=True)], [])
        for name, sums in pairs.items()
    }


def test_losses_are_per_label_and_slices_by_source_and_length() -> None:
    found = compare(["a", "b", "b"], [], results([20, 40, 180], [10, 30, 200], [10, 20, 90]))
    assert found["base"]["loss"] == pytest.approx(240 / 120)
    assert found["tuned"]["token_accuracy"] == 0.5
    assert found["by_source"]["b"]["tuned"]["loss"] == pytest.approx(230 / 110)
    assert {name: block["rows"] for name, block in found["by_length"].items()} == {
        "up to 16 tokens": 1,
        "17 to 64 tokens": 1,
        "over 64 tokens": 1,
    }
    assert found["worst_slice"] == {
        "by": "length",
        "name": "over 64 tokens",
        "loss": pytest.approx(200 / 90),
    }
    gain = found["by_source"]["b"]["improvement"]
    assert gain["loss"] == pytest.approx(-10 / 110)
    low, high = gain["loss_interval"]
    assert (low, high) == (pytest.approx(-20 / 90), pytest.approx(10 / 20))
    assert gain["verdict"] == "not told apart"


def test_rows_that_were_asked_carry_their_answers() -> None:
    found = {
        name: Result(result.losses, [f"{name} says"])
        for name, result in results([20, 40], [10, 30], [10, 20]).items()
    }
    lines = list(row_lines(["x", "y"], ["a", "b"], [Question(1, [], "Who?", "Ann")], found))
    assert "answers" not in lines[0]
    assert lines[1]["answers"] == {
        "prompt": "Who?", "reference": "Ann", "base": "base says", "tuned": "tuned says",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("tuned", "verdict"),
    [([1.0] * 30, "better"), ([3.0] * 30, "worse"), ([1.0, 3.0] * 15, "not told apart")],
)
def test_verdicts(tuned: list[float], verdict: str) -> None:
    gain = compare(["a"] * 30, [], results([2.0] * 30, tuned, [4] * 30))["improvement"]
    assert gain["verdict"] == verdict
    low, high = gain["loss_interval"]
    assert low <= gain["loss"] <= high


def test_intervals_cover_the_mean_and_repeat() -> None:
    values = np.arange(200.0)
    (means,) = resampled_means([values], np.ones(200))
    low, high = interval(means)
    assert low < 99.5 < high
    # The standard error of this mean is 4.08; the interval is 1.96 of it to both sides.
    assert high - low == pytest.approx(2 * 1.96 * 4.08, rel=0.1)
    assert interval(resampled_means([values], np.ones(200))[0]) == [low, high]


def test_texts() -> None:
    found = text_scores(["the cat sat", "A  b"], ["the cat", "a b"])
    assert found["exact_match"] == 0.5
    assert found["rouge_l"] == pytest.approx((0.8 + 1) / 2)
    assert text_scores(["你好吗"], ["你好"])["rouge_l"] == pytest.approx(0.8)
    assert text_scores([], []) == {}
