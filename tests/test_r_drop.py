"""R-Drop: the loss of two passes through dropout, computed by hand beside it."""

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from conftest import ROOT, change_params
from test_tasks import CASES as LABELLED
from test_tasks import CPU, row, tiny_bert, tiny_t5  # noqa: F401, the models are fixtures
from torch.nn.functional import binary_cross_entropy_with_logits, cross_entropy, kl_div

from sftlib.cli.estimate import pack_bytes
from sftlib.core.errors import UsageError
from sftlib.core.params import load_params
from sftlib.train.heads import HEADS
from sftlib.train.model import load_model
from sftlib.train.padded import label_logits, loss_sum, pad_rows

ALPHA = 0.7


ANSWERS = ("seq2seq", None, [row(5, [9, 8, 1]), row(9, [7, 1])])
CASES = {**LABELLED, "answers": ANSWERS}


def training(folder: Path, case: str, dropout: float) -> torch.nn.Module:
    task, labels, _ = CASES[case]
    head = HEADS[task]
    return load_model(folder, torch.float32, CPU, dropout=dropout, head=head, labels=labels).train()


def rows_of(case: str) -> list[dict[str, list]]:
    return CASES[case][2]


def test_without_dropout_the_loss_is_the_plain_one(tiny_bert: Path) -> None:  # noqa: F811
    model, pack = training(tiny_bert, "one", 0.0), pad_rows(rows_of("one"))
    assert torch.equal(loss_sum(model, pack, r_drop=ALPHA), loss_sum(model, pack))


def test_validation_measures_the_plain_loss(tiny_bert: Path) -> None:  # noqa: F811
    model, pack = training(tiny_bert, "one", 0.5).eval(), pad_rows(rows_of("one"))
    assert torch.equal(loss_sum(model, pack, r_drop=ALPHA), loss_sum(model, pack))


@pytest.mark.parametrize("case", ["one", "tag", "answers"])
def test_classes(tiny_bert: Path, tiny_t5: Path, case: str) -> None:  # noqa: F811
    model = training(tiny_t5 if case == "answers" else tiny_bert, case, 0.3)
    pack = pad_rows(rows_of(case))
    torch.manual_seed(1)
    found = loss_sum(model, pack, r_drop=ALPHA)
    torch.manual_seed(1)
    (first, gold), (second, _) = label_logits(model, pack), label_logits(model, pack)
    losses = [cross_entropy(logits, gold, reduction="sum") for logits in (first, second)]
    p, q = first.log_softmax(-1), second.log_softmax(-1)
    divergences = [kl_div(a, b, reduction="sum", log_target=True) for a, b in ((p, q), (q, p))]
    assert min(float(divergence.detach()) for divergence in divergences) > 0
    expected = sum(losses) / 2 + ALPHA * sum(divergences) / 2
    assert float(found.detach()) == pytest.approx(float(expected.detach()), rel=1e-5)


def test_flags(tiny_bert: Path) -> None:  # noqa: F811
    model, pack = training(tiny_bert, "many", 0.3), pad_rows(rows_of("many"))
    torch.manual_seed(1)
    found = loss_sum(model, pack, r_drop=ALPHA)
    torch.manual_seed(1)
    (first, gold), (second, _) = label_logits(model, pack), label_logits(model, pack)
    pairs = [logits[:, 0] for logits in (first, second)]
    losses = [binary_cross_entropy_with_logits(x, gold, reduction="sum") for x in pairs]
    p, q = (torch.distributions.Bernoulli(logits=logits) for logits in pairs)
    both = [torch.distributions.kl_divergence(a, b).sum() for a, b in ((p, q), (q, p))]
    expected = sum(losses) / 2 + ALPHA * sum(both) / 2
    assert float(found.detach()) == pytest.approx(float(expected.detach()), rel=1e-5)


def test_scores_have_no_distribution(tiny_bert: Path) -> None:  # noqa: F811
    model, pack = training(tiny_bert, "number", 0.3), pad_rows(rows_of("number"))
    with pytest.raises(UsageError, match=r"train\.r_drop: labels of regression have no distrib"):
        loss_sum(model, pack, r_drop=ALPHA)


@pytest.mark.parametrize(
    ("task", "keys", "message"),
    [
        ("chat", {}, "task chat never holds all of its logits"),
        ("classify", {"dropout": 0.0, "lora": None}, "needs dropout, and train.dropout is 0"),
    ],
)
def test_where_it_has_no_meaning(
    tmp_path: Path, task: str, keys: dict[str, object], message: str
) -> None:
    (tmp_path / "params.yaml").write_text((ROOT / "params.yaml").read_text())
    change_params(tmp_path, task_=task, train={"r_drop": 1.0, **keys})
    with pytest.raises(UsageError, match=message):
        load_params(tmp_path / "params.yaml")


def test_the_estimate_counts_both_passes() -> None:
    params = load_params(ROOT / "recipes/news/params.yaml")
    config = {"hidden_size": 8, "num_hidden_layers": 2, "num_attention_heads": 2, "vocab_size": 9}
    once = pack_bytes(config, params, 0.5)
    both = replace(params, train=replace(params.train, r_drop=1.0))
    assert pack_bytes(config, both, 0.5) == pytest.approx(2 * once, abs=1)
