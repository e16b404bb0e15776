"""Dropout that draws its masks quickly is dropout, in every model and in training."""

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from test_tasks import CASES, CPU, tiny_bert, tiny_t5  # noqa: F401, the models are fixtures
from test_train import FULL, new_run, tokenized  # noqa: F401, a fixture
from torch.nn import functional
from torch.profiler import profile

from sftlib.train.dropout import QuickDropout, attend, dropout
from sftlib.train.heads import HEADS
from sftlib.train.loop import learn
from sftlib.train.loss import label_count
from sftlib.train.model import load_model
from sftlib.train.padded import loss_sum, pad_rows

MANY = 1 << 20


@pytest.mark.parametrize("p", [0.1, 0.5, 0.9])
def test_the_share_is_dropped_and_the_mean_stays(p: float) -> None:
    torch.manual_seed(0)
    vectors = torch.ones(MANY, requires_grad=True)
    found = dropout(vectors, p)
    found.sum().backward()
    assert float((found == 0).float().mean()) == pytest.approx(p, abs=0.002)
    assert float(found.detach().max()) == pytest.approx(1 / (1 - p), rel=1e-4)
    assert float(found.detach().mean()) == pytest.approx(1, abs=0.01)
    assert torch.equal(vectors.grad, found.detach())


def test_torch_s_seed_decides_and_no_mask_comes_twice() -> None:
    ones = torch.ones(3, 1001)
    torch.manual_seed(5)
    first, second = dropout(ones), dropout(ones)
    torch.manual_seed(5)
    assert torch.equal(dropout(ones), first)
    assert not torch.equal(first, second)
    assert dropout(ones.bfloat16()).dtype == torch.bfloat16
    assert torch.equal(dropout(ones, 0.5, training=False), ones)
    assert torch.equal(dropout(ones, 0.0), ones)
    assert torch.equal(dropout(ones, 1.0), torch.zeros_like(ones))


@pytest.mark.parametrize("kind", ["all", "flags", "numbers", "causal", "grouped"])
def test_attention_is_torch_s_where_nothing_is_dropped(kind: str) -> None:
    torch.manual_seed(0)
    query, key, value = torch.randn(3, 2, 4, 7, 8)
    flags = torch.rand(2, 1, 7, 7) < 0.5
    flags[..., 0] = True
    numbers = torch.zeros(2, 1, 7, 7).masked_fill(~flags, -1e9)
    options = {
        "all": {},
        "flags": {"attn_mask": flags},
        "numbers": {"attn_mask": numbers, "scale": 0.3},
        "causal": {"is_causal": True},
        "grouped": {"enable_gqa": True},
    }[kind]
    if kind == "grouped":
        key, value = key[:, :2], value[:, :2]
    expected = functional.scaled_dot_product_attention(query, key, value, **options)
    never = 1e-9  # less than a mask can tell from 0
    found = attend(query, key, value, dropout_p=never, **options)
    assert torch.allclose(found, expected, atol=1e-6)
    torch.manual_seed(0)
    shares = [attend(query, key, value, dropout_p=0.5, **options) for _ in range(500)]
    assert torch.allclose(torch.stack(shares).mean(0), expected, atol=0.4)
    assert not torch.allclose(shares[0], expected, atol=0.4)


@pytest.mark.parametrize("model", ["tiny_bert", "tiny_t5"])
def test_models_use_it_and_their_loss_is_that_of_torch_s(
    model: str, request: pytest.FixtureRequest
) -> None:
    case = CASES["one"] if model == "tiny_bert" else ("seq2seq", None, CASES["one"][2])
    task, labels, rows = case
    loaded = load_model(
        request.getfixturevalue(model), torch.float32, CPU, None, 0.1, HEADS[task], labels
    )
    pack = pad_rows(rows)
    loaded.train()
    torch.manual_seed(0)
    slow = [float(loss_sum(loaded, pack).detach()) for _ in range(100)]
    with QuickDropout():
        with profile() as drawn:
            loss_sum(loaded, pack)
        quick = [float(loss_sum(loaded, pack).detach()) for _ in range(100)]
    assert "aten::bernoulli_" not in {event.key for event in drawn.key_averages()}
    assert len(set(quick)) == 100
    assert sum(quick) == pytest.approx(sum(slow), rel=0.02)


def test_training_draws_quickly_and_so_does_checkpointing(
    tiny_model: Path,
    tokenized: Path,  # noqa: F811
    tmp_path: Path,
) -> None:
    gradients = []
    for checkpointing in (False, True):
        train = replace(FULL, dropout=0.2, gradient_checkpointing=checkpointing)
        run = new_run(tiny_model, tokenized, tmp_path, train)
        run.trainee.model.train()
        pack = run.train.pack(0)
        torch.manual_seed(1)
        with profile() as drawn:
            learn(run, pack, 1.0, label_count(pack))
        assert "aten::bernoulli_" not in {event.key for event in drawn.key_averages()}
        gradients.append([weight.grad for weight in run.trainee.trained.values()])
    for plain, again in zip(*gradients, strict=True):
        assert torch.allclose(plain, again, atol=1e-6)
