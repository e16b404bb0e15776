"""What train is made of: selection, balance, caps and weights; validation and test untouched."""

from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from conftest import ROOT, write_rows

from sftlib.compose.compose import Folders, compose
from sftlib.compose.ifd import answer_pair, instruction_following_difficulty
from sftlib.core.errors import DataError, UsageError
from sftlib.core.labels import NO_LOSS
from sftlib.core.params import Select, load_params
from sftlib.core.rows import read_folder
from sftlib.encode.rows import Encoded

DEFAULT = load_params(ROOT / "params.yaml")
PARAMS = replace(DEFAULT, train=replace(DEFAULT.train, threads=1, device="cpu"))


def chat(id: str, prompt: str, answer: str, source: str = "a") -> dict[str, Any]:
    turns = [{"role": "user", "content": prompt}, {"role": "assistant", "content": answer}]
    return {"id": id, "source": source, "place": 0.5, "messages": turns}


ROWS = [chat(f"a{n}", f"what is {n}?", "it is " * n + str(n)) for n in range(8)]
ROWS += [chat(f"b{n}", f"say {n}", "yes", source="b") for n in range(4)]


def composed(
    folder: Path, model: Path, rows: list[dict[str, Any]] = ROWS, **choices: Any
) -> tuple[Counter[str], Counter[str], dict[str, Any]]:
    """How often each id of train comes, the reasons of the others, and the metrics."""
    for name in ("train", "validation", "test"):
        write_rows(folder / "split" / name / "a/x.jsonl", rows)
    entries = [{"id": row["id"], "at": f"data/raw/x.jsonl:{row['id']}"} for row in rows]
    write_rows(folder / "curated/kept/x.jsonl", entries)
    params = replace(PARAMS, compose=replace(PARAMS.compose, **choices))
    places = (folder / name for name in ("split", "curated"))
    folders = Folders(*places, model, folder / "out", folder / "ledger")
    metrics = compose(folders, params)
    for name in ("validation", "test"):
        assert list(read_folder(folder / "out" / name)) == rows
    train = Counter(row["id"] for row in read_folder(folder / "out/train"))
    reasons = Counter(entry["reason"] for entry in read_folder(folder / "ledger"))
    tally = metrics["train"]
    assert tally["rows_in"] == len(rows) == tally["kept"] + reasons.total()
    assert tally["dropped"] == dict(reasons)
    assert tally["written"] == train.total()
    assert all(e["at"].endswith(e["id"]) for e in read_folder(folder / "ledger"))
    return train, reasons, metrics


def test_null_passes_everything_through(tmp_path: Path, tiny_model: Path) -> None:
    train, reasons, _ = composed(tmp_path, tiny_model)
    assert (train, reasons) == (Counter(row["id"] for row in ROWS), Counter())


def test_caps(tmp_path: Path, tiny_model: Path) -> None:
    train, reasons, _ = composed(tmp_path / "1", tiny_model, caps={"a": 3})
    assert (sum(id[0] == "a" for id in train), reasons) == (3, {"over_cap": 5})
    more, _, _ = composed(tmp_path / "2", tiny_model, caps={"a": 5})
    assert set(train) < set(more)


def test_weights(tmp_path: Path, tiny_model: Path) -> None:
    train, reasons, _ = composed(tmp_path, tiny_model, weights={"a": 2.0, "b": 0.5})
    assert {train[f"a{n}"] for n in range(8)} == {2}
    thinned = reasons["thinned"]
    assert 0 < thinned < 4
    assert sum(train[f"b{n}"] for n in range(4)) == 4 - thinned


def test_balance(tmp_path: Path, tiny_model: Path) -> None:
    labels = ["good"] * 5 + ["bad"] * 2
    rows = [
        {"id": str(n), "source": "a", "place": 0.5, "text": f"t{n}", "label": label}
        for n, label in enumerate(labels)
    ]
    train, reasons, _ = composed(tmp_path, tiny_model, rows, balance_labels=True)
    assert Counter(labels[int(id)] for id in train) == {"good": 2, "bad": 2}
    assert reasons == {"over_balance": 3}


def test_longest(tmp_path: Path, tiny_model: Path) -> None:
    train, reasons, _ = composed(tmp_path, tiny_model, select=Select("longest", 3))
    assert (set(train), reasons) == ({"a5", "a6", "a7"}, {"not_selected": 9})


@pytest.mark.parametrize("method", ["random", "ifd", "diverse"])
def test_other_selections_repeat_and_ignore_order(
    tmp_path: Path, tiny_model: Path, method: str
) -> None:
    select = Select(method, 5)  # type: ignore[arg-type]
    train, _, _ = composed(tmp_path / "1", tiny_model, select=select)
    again, _, _ = composed(tmp_path / "2", tiny_model, ROWS[::-1], select=select)
    assert len(train) == 5
    assert train == again


def test_diverse_takes_no_copy_while_there_is_something_new(
    tmp_path: Path, tiny_model: Path
) -> None:
    rows = [chat(f"{n}{i}", f"{n} " * 9, str(n)) for n in range(3) for i in range(4)]
    train, _, _ = composed(tmp_path, tiny_model, rows, select=Select("diverse", 3))
    assert {id[0] for id in train} == {"0", "1", "2"}


def test_ifd_compares_the_same_tokens_with_and_without_the_prompt(tiny_model: Path) -> None:
    labels = [NO_LOSS, NO_LOSS, 8, 9, 10, NO_LOSS]
    row = Encoded(np.arange(5, 11), np.array(labels))
    whole, answer = answer_pair(row) or ({}, {})
    assert whole == {"input_ids": [5, 6, 7, 8, 9], "labels": [NO_LOSS] * 3 + [9, 10]}
    assert answer == {"input_ids": [8, 9], "labels": [9, 10]}
    one_token = Encoded(np.arange(5, 8), np.array([NO_LOSS, 7, NO_LOSS]))
    assert answer_pair(one_token) is None


def test_ifd_is_the_ratio_of_perplexities(tiny_model: Path) -> None:
    import torch
    from transformers import AutoModelForCausalLM

    from sftlib.core.records import record_from_json
    from sftlib.encode.rows import Encoder

    row = ROWS[4]
    (score,) = instruction_following_difficulty([row], tiny_model, PARAMS)
    (encoded,) = Encoder(tiny_model, PARAMS.tokenize).encode([record_from_json(row)])
    model = AutoModelForCausalLM.from_pretrained(tiny_model, dtype=torch.bfloat16)
    losses = []
    for part in answer_pair(encoded) or ():
        logits = model(torch.tensor([part["input_ids"]])).logits[0].float()
        losses.append(torch.nn.functional.cross_entropy(logits, torch.tensor(part["labels"])))
    assert score == pytest.approx(float(torch.exp(losses[0] - losses[1]).detach()), rel=0.02)


def test_nothing_left(tmp_path: Path, tiny_model: Path) -> None:
    with pytest.raises(DataError, match="compose: no row is left to train on"):
        composed(tmp_path, tiny_model, weights={"a": 0.0, "b": 0.0})


def test_names_that_are_no_source(tmp_path: Path) -> None:
    text = (
        (ROOT / "params.yaml").read_text().replace("\n  weights: null", "\n  weights: {abuot: 2}")
    )
    (tmp_path / "params.yaml").write_text(text)
    with pytest.raises(UsageError, match=r"compose\.weights\.abuot: is no source; did you mean"):
        load_params(tmp_path / "params.yaml")
