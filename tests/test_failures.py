"""What stops training or encoding says where and what to do, and leaves what was there."""

import json
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from test_encode import DIALOGUE, encoder
from test_train import FULL, TRAIN, new_run, tokenized  # noqa: F401

from sftlib.core.errors import DataError, UsageError
from sftlib.train.checkpoint import KEPT, Checkpoints
from sftlib.train.failures import explained_memory
from sftlib.train.loop import fit
from sftlib.train.model import load_model
from sftlib.train.schedule import make_optimizer


@pytest.mark.parametrize("packs", [1, 4])
def test_a_loss_that_is_no_number_names_its_rows(
    tiny_model: Path,
    tokenized: Path,  # noqa: F811
    tmp_path: Path,
    packs: int,
) -> None:
    run = new_run(tiny_model, tokenized, tmp_path, replace(FULL, packs_per_step=packs))
    with torch.no_grad():
        run.trainee.model.lm_head.weight[7] = float("nan")
    before = run.trainee.snapshot()
    with pytest.raises(UsageError) as error:
        fit(run)
    first, *rows = str(error.value).splitlines()
    assert first == (
        f"the loss is nan at step 1, on {3 * packs} rows: lower train.lr, set "
        "train.max_grad_norm, or look at them with `python -m sftlib.cli why ID`:"
    )
    ids = {f"  {id} of a" for id in run.train.rows["id"]}
    assert len(set(rows) & ids) == min(3 * packs, 8)
    assert rows[8:] == (["  and 4 more"] if packs == 4 else [])
    # The step was not taken, nor a checkpoint of it written.
    after = run.trainee.snapshot()
    assert all(torch.equal(before[n], after[n]) for n in before if n != "lm_head.weight")
    assert list(tmp_path.iterdir()) == []


def test_memory_that_is_not_enough() -> None:
    lower = r"lower tokenize\.tokens_per_pack, set train\.gradient_checkpointing: true, or train"
    with pytest.raises(UsageError, match=f"the memory is not enough: {lower}"), explained_memory():
        torch.empty(1 << 60, dtype=torch.uint8)
    with (
        pytest.raises(UsageError, match=rf"out of memory \(Tried to allocate 2 GiB\): {lower}"),
        explained_memory(),
    ):
        raise torch.OutOfMemoryError("Tried to allocate 2 GiB. GPU 0 has a total capacity of ...")
    with pytest.raises(RuntimeError, match="size of tensor"), explained_memory():
        torch.ones(2) + torch.ones(3)


def saved_once(model: Path, rows: Path, folder: Path) -> tuple[Any, ...]:
    """A run that stopped after its second step, of which there is a checkpoint."""
    run = new_run(model, rows, folder, TRAIN)

    def stop(step: int, note: str) -> None:
        if step == 2:
            raise KeyboardInterrupt

    run.show = stop
    with pytest.raises(KeyboardInterrupt):
        fit(run)
    return run.trainee, make_optimizer(run.trainee.trained, TRAIN), Checkpoints(folder)


def test_an_interrupted_save_leaves_the_former_one(
    tiny_model: Path,
    tokenized: Path,  # noqa: F811
    tmp_path: Path,
) -> None:
    trainee, optimizer, checkpoints = saved_once(tiny_model, tokenized, tmp_path)
    position, kept = checkpoints.load(trainee, optimizer)
    assert (position.step, set(kept)) == (2, set(KEPT))
    position.step = 3
    broken: dict[str, Any] = {"best": {}, "average": {"weight": "cannot be saved"}}
    with pytest.raises(AttributeError, match="detach"):
        checkpoints.save(position, trainee, optimizer, broken)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["step-2", "step-3.new"]
    assert checkpoints.load(trainee, optimizer)[0].step == 2
    position.step = 4
    checkpoints.save(position, trainee, optimizer, kept)
    assert [path.name for path in tmp_path.iterdir()] == ["step-4"]


@pytest.mark.parametrize("name", ["weights.safetensors", "optimizer.safetensors", "position.json"])
def test_a_truncated_checkpoint_names_its_file_and_the_remedy(
    tiny_model: Path,
    tokenized: Path,  # noqa: F811
    tmp_path: Path,
    name: str,
) -> None:
    trainee, optimizer, checkpoints = saved_once(tiny_model, tokenized, tmp_path)
    file = tmp_path / "step-2" / name
    file.write_bytes(file.read_bytes()[:-40])
    with pytest.raises(DataError) as error:
        checkpoints.load(trainee, optimizer)
    assert str(error.value).startswith(f"{file} cannot be read (")
    assert str(error.value).endswith(f": delete {tmp_path} and train from the beginning")


def test_truncated_weights_name_their_file_and_the_remedy(tiny_model: Path, tmp_path: Path) -> None:
    shutil.copytree(tiny_model, tmp_path, dirs_exist_ok=True)
    file = tmp_path / "model.safetensors"
    file.write_bytes(file.read_bytes()[:-40])
    with pytest.raises(DataError, match=r"model\.safetensors cannot be read .*`dvc checkout --f"):
        load_model(tmp_path, torch.float32, torch.device("cpu"))


def test_a_tokenizer_of_another_model(tiny_model: Path, tmp_path: Path) -> None:
    shutil.copytree(tiny_model, tmp_path, dirs_exist_ok=True)
    config = json.loads((tmp_path / "config.json").read_text())
    (tmp_path / "config.json").write_text(json.dumps({**config, "vocab_size": 50}))
    with pytest.raises(DataError) as error:
        encoder(tmp_path).encode([DIALOGUE])
    assert "but config.json has a vocabulary of 50: the tokenizer belongs to another" in str(
        error.value
    )
