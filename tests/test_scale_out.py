"""Training by several processes: as by one, whatever dies on the way."""

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
import torch
from conftest import ROOT, change_params, new_project
from safetensors.torch import load_file
from test_tasks import CASES, tiny_bert, tiny_t5  # noqa: F401, fixtures
from test_tasks import tokenized as tokenized_for
from test_tasks import train as run_of_task
from test_train import FULL, TRAIN, row, tokenized  # noqa: F401, a fixture
from torch.distributed.elastic.multiprocessing import SignalException
from torch.distributed.elastic.multiprocessing.errors import ChildFailedError, ProcessFailure

from sftlib.core.errors import UsageError
from sftlib.core.params import Lora, Train, load_params
from sftlib.train import network
from sftlib.train.launch import check_devices, launch, own_signals, raise_death
from sftlib.train.loop import Run, fit

HOW = replace(load_params(ROOT / "params.yaml").run, processes=2)
FEW = replace(FULL, epochs=1)


@dataclass(frozen=True)
class Case:
    model: Path
    tokenized: Path
    task: str
    params: Train

    def run(self, checkpoints: Path) -> Run:
        run = run_of_task(self.model, self.tokenized, self.task, self.params, checkpoints)
        run.checkpoint_seconds = 1e9
        return run


class Stop(Exception):
    pass


def stop_at(last: int) -> Callable[[int, str], None]:
    def show(step: int, note: str) -> None:
        if step == last:
            raise Stop

    return show


def fit_until(case: Case, checkpoints: Path, step: int) -> None:
    run = case.run(checkpoints)
    run.checkpoint_seconds, run.show = 0, stop_at(step)
    with pytest.raises(Stop):
        fit(run)


def fit_all(cases: dict[str, Case], folder: Path) -> None:
    """The work of a rank: each case, and the first steps of one."""
    for name, case in cases.items():
        fit(case.run(folder / name))
    fit_until(cases["full"], folder / "stopped", 2)


@pytest.fixture(scope="module")
def cases(
    tiny_model: Path,
    tiny_bert: Path,  # noqa: F811
    tiny_t5: Path,  # noqa: F811
    tokenized: Path,  # noqa: F811
    tmp_path_factory: pytest.TempPathFactory,
) -> dict[str, Case]:
    task, labels, rows = CASES["one"]
    folder = tmp_path_factory.mktemp("tasks")
    classes = tokenized_for(folder / "classes", rows, labels)
    answers = tokenized_for(folder / "answers", [row(5, 4), row(9, 3)], None)
    dora = replace(FEW, lora=Lora(4, 8.0, 0.0, "dora"), freeze=("*layers.0*",), packs_per_step=2)
    average = replace(TRAIN, epochs=1, ema=0.9, layer_lr_decay=0.5, gradient_checkpointing=True)
    return {
        # Three packs of a step for two ranks: one of them fills up.
        "full": Case(tiny_model, tokenized, "chat", replace(FULL, packs_per_step=3)),
        # One pack of a step, and adapters with dropout, which does not depend on the ranks.
        "average": Case(tiny_model, tokenized, "chat", average),
        "dora": Case(tiny_model, tokenized, "chat", dora),
        "classify": Case(tiny_bert, classes, task, replace(FEW, packs_per_step=4)),
        "seq2seq": Case(tiny_t5, answers, "seq2seq", replace(FEW, packs_per_step=2)),
    }


@pytest.fixture(scope="module")
def pair(cases: dict[str, Case], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Checkpoints of the last step of two ranks, a folder for each case."""
    folder = tmp_path_factory.mktemp("pair")
    launch(HOW, "pair", folder / "scratch", fit_all, cases, folder)
    return folder


def assert_alike(expected: Run, found: Run, name: str) -> None:
    """After training: the same losses and weights, but for the last digits of sums."""
    positions = fit(expected), fit(found)
    for a, b in (
        [position.train_losses for position in positions],
        [position.validation_losses for position in positions],
    ):
        assert [loss[0] for loss in b] == [loss[0] for loss in a], name
        assert [loss[1] for loss in b] == pytest.approx([loss[1] for loss in a], abs=1e-5), name
    weights = expected.trainee.snapshot()
    for key, weight in found.trainee.snapshot().items():
        assert torch.allclose(weight, weights[key], atol=1e-4), (name, key)


@pytest.mark.slow
def test_two_ranks_train_as_one_process_does(
    cases: dict[str, Case], pair: Path, tmp_path: Path
) -> None:
    for name, case in cases.items():
        assert_alike(case.run(tmp_path / name), case.run(pair / name), name)


@pytest.mark.slow
def test_one_process_goes_on_from_the_checkpoint_of_two(
    cases: dict[str, Case], pair: Path, tmp_path: Path
) -> None:
    case = cases["full"]
    assert [path.name for path in (pair / "stopped").iterdir()] == ["step-2"]
    assert_alike(case.run(tmp_path), case.run(pair / "stopped"), "full")


def fit_and_die(case: Case, folder: Path) -> None:
    """The work of a rank: one of them dies in the third step, at its first try."""
    fit(case.run(folder / "of one process"))
    run = case.run(folder / "killed")
    run.checkpoint_seconds = 0

    def show(step: int, note: str) -> None:
        is_first_try = os.environ["TORCHELASTIC_RESTART_COUNT"] == "0"
        if step == 3 and os.environ["RANK"] == "1" and is_first_try:
            os.kill(os.getpid(), signal.SIGKILL)

    run.show = show
    fit(run)
    fit(replace_lr(case, 1e30).run(folder / "nan"))


def replace_lr(case: Case, lr: float) -> Case:
    return replace(case, params=replace(case.params, lr=lr, max_grad_norm=None))


@pytest.mark.slow
def test_a_rank_that_dies_a_checkpoint_of_one_process_and_an_error(
    cases: dict[str, Case], pair: Path, tmp_path: Path
) -> None:
    case = cases["full"]
    fit_until(case, tmp_path / "of one process", 2)
    with pytest.raises(UsageError, match=r"the loss is (nan|inf) at step [23], on 9 rows"):
        launch(HOW, "killed", tmp_path / "scratch", fit_and_die, case, tmp_path)
    assert files(tmp_path / "killed") == files(pair / "full")
    assert_alike(case.run(tmp_path / "alone"), case.run(tmp_path / "of one process"), "full")


def files(folder: Path) -> dict[str, bytes]:
    paths = sorted(path for path in folder.rglob("*") if path.is_file())
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in paths}


def training_project(folder: Path, model: Path, rows: Path, **run: object) -> Path:
    """A project of which all is built that training needs."""
    project = new_project(folder, model)
    shutil.copytree(model, project / "models/base")
    shutil.copytree(rows, project / "data/tokenized")
    change_params(project, run={"processes": 2, "checkpoint_seconds": 0, **run})
    change_params(project, train={"packs_per_step": 3, "lora": None, "epochs": 8})
    return project


def start(command: list[str], project: Path) -> subprocess.Popen[str]:
    environment = {**os.environ, "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"}
    return subprocess.Popen(
        command, cwd=project, env=environment, stderr=subprocess.PIPE, text=True
    )


def ranks_of(stage: int) -> list[Path]:
    children = Path(f"/proc/{stage}/task/{stage}/children").read_text().split()
    commands = {child: Path(f"/proc/{child}/cmdline").read_bytes() for child in children}
    return [Path("/proc", child) for child, command in commands.items() if b"spawn_main" in command]


def is_alive(process: Path) -> bool:
    try:
        return (process / "stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False


@pytest.mark.slow
def test_a_stage_that_is_killed_takes_its_ranks_along_and_goes_on(
    tiny_model: Path,
    tokenized: Path,  # noqa: F811
    tmp_path: Path,
) -> None:
    project = training_project(tmp_path, tiny_model, tokenized)
    command = [sys.executable, "-m", "stages.train"]
    assert start(command, project).wait() == 0
    undisturbed = files(project / "models/tuned"), files(project / "plots")
    assert load_file(project / "models/tuned/model.safetensors")
    shutil.rmtree(project / "models/tuned")
    stage, checkpoints = start(command, project), project / ".sft/checkpoints"
    while not list(checkpoints.glob("*/step-*[0-9]/position.json")):
        assert stage.poll() is None, "training ended before its first checkpoint was seen"
    ranks = ranks_of(stage.pid)
    assert len(ranks) == 2
    stage.kill()
    stage.wait()
    while any(map(is_alive, ranks)):
        pass
    assert list(checkpoints.glob("*/step-*[0-9]/position.json"))
    assert start(command, project).wait() == 0
    assert (files(project / "models/tuned"), files(project / "plots")) == undisturbed
    assert not list(checkpoints.glob("*/step-*"))


def test_a_rank_whose_parent_ended_before_it_looked_ends_too() -> None:
    code = "from sftlib.core.process import die_with_parent; die_with_parent(1)"
    assert subprocess.run([sys.executable, "-c", code], cwd=ROOT).returncode == -signal.SIGKILL


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@pytest.mark.slow
def test_two_nodes_end_with_the_same_model(
    tiny_model: Path,
    tokenized: Path,  # noqa: F811
    tmp_path: Path,
) -> None:
    meeting = {"processes": 1, "nodes": 2, "rendezvous": f"127.0.0.1:{free_port()}"}
    nodes = [
        training_project(tmp_path / name, tiny_model, tokenized, **meeting) for name in ("a", "b")
    ]
    docs = (ROOT / "docs/scaling.md").read_text().splitlines()
    (command,) = [line.split() for line in docs if line.startswith("    dvc repro")]
    stages = [start(command, node) for node in nodes]
    for stage in stages:
        output = stage.communicate()[1]
        assert stage.returncode == 0, output
    first, second = (files(node / "models/tuned") for node in nodes)
    assert first == second
    measured = [json.loads((node / "metrics/train.json").read_text()) for node in nodes]
    assert measured[0] == measured[1]
    assert measured[0]["steps"] == 16


def test_a_rank_that_always_dies_is_an_error_with_a_remedy() -> None:
    failed = ChildFailedError("live", {1: ProcessFailure(1, 1234, -signal.SIGKILL, "")})
    with pytest.raises(UsageError, match=r"process 1 was killed by SIGKILL 4 times, most"):
        raise_death(failed)


def test_signals_do_what_they_did_before_the_ranks_started() -> None:
    before = signal.getsignal(signal.SIGINT)
    with pytest.raises(KeyboardInterrupt), own_signals():
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        raise SignalException("the agent was told to stop", signal.SIGINT)
    assert signal.getsignal(signal.SIGINT) == before


def test_each_process_takes_a_gpu() -> None:
    many = replace(HOW, processes=1000)
    check_devices(many, torch.device("cpu"))
    with pytest.raises(UsageError, match=r"run\.processes: 1000, but torch sees \d+ GPUs"):
        check_devices(many, torch.device("cuda"))


def test_the_way_to_where_nodes_meet() -> None:
    assert network.own_address("127.0.0.1:29400") == "127.0.0.1"
    assert network.interfaces_of("127.0.0.1") == ["lo"]
    assert network.is_own("127.0.0.1:29400")
    assert not network.is_own("192.0.2.1:29400")  # of documentation, RFC 5737
    with pytest.raises(UsageError, match=r"nowhere\.invalid:29400 is out of reach"):
        network.own_address("nowhere.invalid:29400")


@pytest.mark.parametrize(
    ("run", "fault"),
    [
        ({"nodes": 2}, "run.rendezvous: several nodes need host:port of one of them"),
        ({"rendezvous": "a:1"}, "run.rendezvous: one node meets no other"),
        ({"processes": 2}, "train.lora.quantize: only one process trains on a base in 4 bits"),
    ],
)
def test_params_that_do_not_go_together(run: dict[str, object], fault: str, tmp_path: Path) -> None:
    shutil.copy(ROOT / "params.yaml", tmp_path)
    lora = {"rank": 4, "alpha": 8.0, "dropout": 0.0, "quantize": "nf4"}
    change_params(tmp_path, run=run, train={"lora": lora})
    with pytest.raises(UsageError) as error:
        load_params(tmp_path / "params.yaml")
    assert fault in str(error.value)
