"""Ranks of one training run, started by torch's elastic agent in the stage's own process.

When a rank dies, the agent ends the others and starts all again; they go on from the checkpoint.
"""

import json
import logging
import os
import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import torch
from torch.distributed.elastic.multiprocessing import DefaultLogsSpecs, SignalException
from torch.distributed.elastic.multiprocessing.errors import ChildFailedError
from torch.distributed.elastic.rendezvous import RendezvousError
from torch.distributed.launcher.api import LaunchConfig, elastic_launch

from sftlib.core.errors import DataError, SftError, UsageError
from sftlib.core.params import Run
from sftlib.core.process import die_with_parent
from sftlib.train import network, ranks

RESTARTS = 3
SECONDS_TO_MEET = 600
HANDLED = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGQUIT)

Work = Callable[..., object]


def launch(run: Run, name: str, scratch: Path, work: Work, *arguments: object) -> None:
    """Run `work(*arguments)` in every rank of this node, and wait for all ranks of all nodes.

    name: of the training run; nodes that are about to train something else do not meet.
    An error that a rank explains is raised here. `UsageError` if ranks die again and again, if the
    nodes do not meet, or if another node gave up.
    """
    config, refusal = configuration(run, name, scratch), scratch / "refusal.json"
    for logger in ("torch.distributed.elastic", "torch.multiprocessing"):
        logging.getLogger(logger).setLevel(logging.CRITICAL)
    done: dict[int, bool] = {}
    try:
        with own_signals():
            done = elastic_launch(config, live)(os.getpid(), refusal, work, *arguments)
    except ChildFailedError as failed:
        raise_refusal(refusal)
        raise_death(failed)
        raise
    except RendezvousError as error:
        raise UsageError(
            f"run.rendezvous: {run.nodes} nodes did not meet at {run.rendezvous} ({error}): run "
            "the stage on all of them, with the same params, data and code"
        ) from None
    raise_refusal(refusal)
    if not all(done.values()):
        raise UsageError("training ended on another node, which says why")


def configuration(run: Run, name: str, scratch: Path) -> LaunchConfig:
    endpoint = run.rendezvous or "127.0.0.1:0"
    address = network.own_address(endpoint)
    network.talk_from(address)
    # A store of the agent would outlive a restart, and give ranks the addresses of dead ones.
    os.environ["TORCH_DISABLE_SHARE_RDZV_TCP_STORE"] = "1"
    waiting = {"join_timeout": SECONDS_TO_MEET, "read_timeout": SECONDS_TO_MEET}
    # Two agents on one machine find out themselves who is the host.
    host = {} if network.is_loopback(address) else {"is_host": network.is_own(endpoint)}
    return LaunchConfig(
        min_nodes=run.nodes,
        max_nodes=run.nodes,
        nproc_per_node=run.processes,
        run_id=name,
        rdzv_backend="c10d",
        rdzv_endpoint=endpoint,
        rdzv_configs={**waiting, **host},
        local_addr=address,
        max_restarts=RESTARTS,
        logs_specs=DefaultLogsSpecs(log_dir=str(scratch / "ranks")),
    )


def live(parent: int, refusal: Path, work: Work, *arguments: object) -> bool:
    """The life of a rank; false if it, or another rank, refused to work before."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)  # of Ctrl-C the stage alone speaks
    die_with_parent(parent)
    torch.distributed.init_process_group(
        "cpu:gloo,cuda:nccl" if torch.cuda.is_available() else "gloo"
    )
    is_refused = ranks.total(float(refusal.is_file())) > 0
    if not is_refused:
        do_or_refuse(refusal, work, *arguments)
    torch.distributed.destroy_process_group()
    return not is_refused


def do_or_refuse(refusal: Path, work: Work, *arguments: object) -> None:
    """Write down an error that is explained: the agent starts all again, and none of them works."""
    if ranks.is_first() and int(os.environ["TORCHELASTIC_RESTART_COUNT"]) > 0:
        print("train: a process was lost; all go on from the checkpoint", file=sys.stderr)
    try:
        work(*arguments)
    except SftError as error:
        refusal.write_text(json.dumps([error.exit_code, str(error)]), encoding="utf-8")
        sys.exit(error.exit_code)


@contextmanager
def own_signals() -> Iterator[None]:
    """Inside, the agent handles signals and ends its ranks; then they do what they did before."""
    handlers = {number: signal.getsignal(number) for number in HANDLED}
    received = None
    try:
        yield
    except SignalException as error:
        received = error.sigval
    finally:
        for number, handler in handlers.items():
            signal.signal(number, handler)
    if received is not None:
        signal.raise_signal(received)


def raise_refusal(file: Path) -> None:
    if file.is_file():
        code, message = json.loads(file.read_text(encoding="utf-8"))
        raise (DataError if code == DataError.exit_code else UsageError)(message)


def raise_death(failed: ChildFailedError) -> None:
    rank, failure = failed.get_first_failure()
    if failure.exitcode < 0:
        raise UsageError(
            f"train: process {rank} was killed by {failure.signal_name()} {RESTARTS + 1} times, "
            "most often for want of memory: lower run.processes or tokenize.tokens_per_pack, or "
            "set train.gradient_checkpointing: true"
        ) from None


def check_devices(run: Run, device: torch.device) -> None:
    """Raise `UsageError` unless there is a GPU for each process of this node."""
    if device.type == "cuda" and run.processes > torch.cuda.device_count():
        raise UsageError(
            f"params.yaml: run.processes: {run.processes}, but torch sees "
            f"{torch.cuda.device_count()} GPUs, and each process takes one"
        )
