"""Shards in processes and on a cluster: the same bytes and errors, also when workers are lost."""

import contextlib
import os
import secrets
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest
from conftest import ROOT, change_params, run

from sftlib.clean.source import Job, clean_shard, clean_source
from sftlib.core import shards
from sftlib.core.errors import DataError, UsageError, exit_on_error
from sftlib.core.params import load_params
from sftlib.core.process import die_with_parent
from sftlib.core.shards import map_shards
from sftlib.core.tally import Tally

# Who reaches Ray runs code by it, so nodes and drivers share a secret; read when Ray is imported.
os.environ |= {"RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN": secrets.token_hex(32)}

PARAMS = load_params(ROOT / "params.yaml")
ALONE, PAIR = replace(PARAMS.run, workers=1), replace(PARAMS.run, workers=2)
HAS_RAY = find_spec("ray") is not None
needs_ray = pytest.mark.skipif(not HAS_RAY, reason="the extra 'ray' is not installed")
NAMES = ["0", "1", "2", "3", "4", "5"]
ENOUGH = 1 << 30  # bytes for as many workers as there may be


def process_of(shard: str) -> int:
    return os.getpid()


def faulty(shard: str) -> str:
    """Shards 2 and 4 cannot be read."""
    if shard in "24":
        raise DataError(f"data/raw/{shard}.jsonl:1: not to be read")
    return shard


def wrong(shard: str) -> str:
    raise ValueError(f"a bug at {shard}")


def killed_once(marker: Path, shard: str) -> str:
    """The worker that is first at shard 3 is killed."""
    if shard == "3" and not marker.exists():
        marker.touch()
        os.kill(os.getpid(), signal.SIGKILL)
    return shard


def killed(shard: str) -> str:
    if shard == "3":
        os.kill(os.getpid(), signal.SIGKILL)
    return shard


def endless(fifo: Path, shard: str) -> None:
    """Says through `fifo` that it works, and leaves it open for as long as it lives."""
    with fifo.open("w") as stream:
        stream.write(f"{os.getpid()}\n")
        stream.flush()
        signal.pause()


def test_workers_are_processes() -> None:
    assert set(map_shards(process_of, NAMES, ALONE, ENOUGH)) == {os.getpid()}
    assert os.getpid() not in map_shards(process_of, NAMES, PAIR, ENOUGH)
    assert set(map_shards(process_of, NAMES, PAIR, 1 << 10)) == {os.getpid()}


@pytest.mark.filterwarnings("error::pytest.PytestUnhandledThreadExceptionWarning")
def test_the_first_error_of_a_worker_is_raised_as_it_was() -> None:
    with pytest.raises(DataError) as error:
        map_shards(faulty, NAMES * 40, PAIR, ENOUGH)
    assert str(error.value) == "data/raw/2.jsonl:1: not to be read"
    with pytest.raises(ValueError, match="a bug at 0"):
        map_shards(wrong, NAMES, PAIR, ENOUGH)


def test_one_worker_goes_on_where_another_was_killed(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    assert map_shards(partial(killed_once, tmp_path / "marker"), NAMES, PAIR, ENOUGH) == NAMES
    assert capfd.readouterr().err == (
        "warning: one of 2 workers was killed, out of memory most likely; one does the rest: "
        "lower run.workers in params.yaml\n"
    )


def test_a_shard_that_no_worker_survives_is_named() -> None:
    with pytest.raises(UsageError) as error:
        map_shards(killed, NAMES, PAIR, ENOUGH)
    assert str(error.value) == (
        "3: the worker at this shard was killed, even with no other beside it: out of memory most "
        "likely; split the file, or build where there is more memory"
    )


def work_without_end(fifo: str, executor: str) -> None:
    """What the interrupted process runs."""
    run = replace(PAIR, executor=executor)
    exit_on_error(lambda: map_shards(partial(endless, Path(fifo)), NAMES, run, ENOUGH) and None)


def close_after(process: subprocess.Popen[str], fifo: Path) -> None:
    process.wait()
    with contextlib.suppress(OSError):  # nobody reads any more
        os.close(os.open(fifo, os.O_WRONLY | os.O_NONBLOCK))


@pytest.mark.parametrize(
    "executor", ["local", pytest.param("ray", marks=[needs_ray, pytest.mark.slow])]
)
def test_an_interrupt_ends_all_workers(executor: str, tmp_path: Path) -> None:
    fifo = tmp_path / "fifo"
    os.mkfifo(fifo)
    code = f"import test_executors as t; t.work_without_end({str(fifo)!r}, {executor!r})"
    path = {**os.environ, "PYTHONPATH": str(ROOT / "tests")}
    started = subprocess.Popen(
        [sys.executable, "-c", code],
        cwd=ROOT,
        env=path,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    # A process that fails before its workers start must not leave this one waiting for them.
    threading.Thread(target=close_after, args=[started, fifo], daemon=True).start()
    with fifo.open() as stream:
        workers = [stream.readline(), stream.readline()]
        assert len(set(workers)) == 2, started.communicate()
        os.killpg(started.pid, signal.SIGINT)
        assert stream.read() == ""  # its end: no worker holds it any more
    _, errors = started.communicate()
    assert (started.returncode, errors) == (130, "interrupted\n")


def test_ray_is_an_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(UsageError) as error:
        map_shards(process_of, NAMES, replace(PAIR, executor="ray"), ENOUGH)
    assert str(error.value) == (
        "run.executor: ray needs the extra 'ray': "
        "pip install -c constraints/data.txt -c constraints/ray.txt -e '.[ray]'"
    )


@needs_ray
def test_a_cluster_that_does_not_answer() -> None:
    nowhere = replace(PAIR, executor="ray", ray_address="127.0.0.1:9")
    with pytest.raises(UsageError) as error:
        map_shards(process_of, NAMES, nowhere, ENOUGH)
    assert str(error.value) == (
        "run.ray_address: no cluster answers at 127.0.0.1:9 (Connection refused): start one with "
        "`ray start --head`, or let it be null"
    )


@needs_ray
def test_ray_is_pinned_where_it_is_installed(project: Path) -> None:
    pins = project / "constraints/ray.txt"
    pins.write_text("ray==1.0\n")
    done = run(["python", "-m", "stages.compose"], project)
    assert done.returncode == 2
    assert "constraints/ray.txt pins 1.0" in done.stderr


# What follows cleans real files: five of six rows each, of which three are faulty.


@pytest.fixture
def raw(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(shards, "MIN_BYTES_PER_WORKER", 1)
    folder = tmp_path / "data/raw/x"
    folder.mkdir(parents=True)
    for name in NAMES:
        row = f'{{"prompt": "{name}", "completion": "a"}}\n'
        (folder / f"{name}.jsonl").write_text(f"{row}{{}}\n" * 3)
    return tmp_path


def job_of(root: Path, out: Path) -> Job:
    source = replace(PARAMS.sources["about"], path="data/raw/x")
    clean = replace(PARAMS.clean, max_dropped=1.0)
    return Job("x", source, clean, root, out / "rows", out / "ledger")


def files_of(folder: Path) -> dict[str, bytes]:
    files = [path for path in folder.rglob("*") if path.is_file()]
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in sorted(files)}


def built(root: Path, name: str, run: Any) -> tuple[Tally, dict[str, bytes]]:
    out = root / name
    return clean_source(job_of(root, out), run), files_of(out)


def test_workers_change_no_byte(raw: Path) -> None:
    alone = built(raw, "alone", ALONE)
    assert len(alone[1]) == 18
    assert built(raw, "three", replace(ALONE, workers=3)) == alone


@pytest.fixture(scope="module")
def cluster() -> Iterator[str]:
    """The address of a cluster of two nodes with a CPU each, on two loopback addresses."""
    folder = tempfile.mkdtemp(prefix="ray-")  # sockets in it must have short names
    common = ["--num-cpus=1", "--object-store-memory=80000000", "--min-worker-port=0"]
    common += ["--max-worker-port=0", "--disable-usage-stats", "--block"]
    head = ["--head", "--node-ip-address=127.0.0.2", "--port=0", "--include-dashboard=false"]
    nodes = []
    try:
        nodes.append(start_node([*head, f"--temp-dir={folder}", *common]))
        address = wait_for(nodes[0], "--address=").split("'")[1]
        joins = [f"--address={address}", "--node-ip-address=127.0.0.3"]
        nodes.append(start_node([*joins, *common]))
        wait_for(nodes[1], "Ray runtime started")
        yield address
    finally:
        for node in reversed(nodes):
            node.terminate()
            node.communicate()
        shutil.rmtree(folder, ignore_errors=True)


def start_node(options: list[str]) -> subprocess.Popen[str]:
    command = [str(Path(sys.executable).with_name("ray")), "start", *options]
    variables = {**os.environ, "PYTHONPATH": str(ROOT / "tests"), "PYTHONUNBUFFERED": "1"}
    return subprocess.Popen(
        command,
        env=variables,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        preexec_fn=die_with_parent,
    )


def wait_for(node: subprocess.Popen[str], text: str) -> str:
    """The line of its output that has `text`."""
    assert node.stdout is not None
    seen = []
    for line in node.stdout:
        seen.append(line)
        if text in line:
            return line
    raise AssertionError("".join(seen))


def node_of(fifo: Path, shard: str) -> str:
    """Where this runs; neither of two shards ends before the other has begun."""
    import ray

    with fifo.open("r" if shard == "0" else "w"):
        return str(ray.get_runtime_context().get_node_id())


def clean_until_killed(job: Job, fifo: Path, file: str) -> Tally:
    """The first worker at 2.jsonl has written half a line when it tells who it is, and waits."""
    if file.endswith("2.jsonl") and fifo.exists():
        (job.rows / "2.jsonl").write_bytes(b'{"id": "half')
        fifo.write_text(str(os.getpid()))
        signal.pause()
    return clean_shard(job, None, file)


def kill_who_tells(fifo: Path) -> None:
    process = int(fifo.read_text())
    fifo.unlink()
    os.kill(process, signal.SIGKILL)


@needs_ray
@pytest.mark.slow
def test_a_cluster_of_two_nodes(cluster: str, raw: Path) -> None:
    run = replace(PAIR, executor="ray", ray_address=cluster)
    fifo, out = raw / "fifo", raw / "killed"
    os.mkfifo(fifo)
    assert len(set(map_shards(partial(node_of, fifo), NAMES[:2], run, ENOUGH))) == 2
    alone = built(raw, "alone", ALONE)
    assert built(raw, "cluster", run) == alone

    (out / "rows").mkdir(parents=True)
    killer = threading.Thread(target=kill_who_tells, args=[fifo])
    killer.start()
    files = [f"data/raw/x/{name}.jsonl" for name in NAMES]
    map_shards(partial(clean_until_killed, job_of(raw, out), fifo), files, run, ENOUGH)
    killer.join()
    assert files_of(out) == alone[1]


@needs_ray
@pytest.mark.slow
@pytest.mark.parametrize(
    ("function", "kind", "message"),
    [
        (faulty, DataError, "data/raw/2.jsonl:1: not to be read"),
        (wrong, ValueError, "a bug at 0"),
        (killed, UsageError, "3: Ray lost 4 workers at this shard (WorkerCrashedError), out of"),
    ],
)
def test_errors_of_a_cluster(
    cluster: str, function: Callable[[str], str], kind: type[Exception], message: str
) -> None:
    run = replace(PAIR, executor="ray", ray_address=cluster)
    with pytest.raises(kind) as error:
        map_shards(function, NAMES, run, ENOUGH)
    assert message in str(error.value)


@needs_ray
@pytest.mark.slow
def test_ray_on_one_machine(project: Path) -> None:
    """The stage itself, on two files of 8 MiB: the same bytes, and an error without a traceback."""
    folder = project / "data/raw/big"
    folder.mkdir()
    row = f'{{"prompt": "NUMBER", "completion": "{"a b " * 50_000}"}}\n'
    for name in ("a", "b"):
        rows = [row.replace("NUMBER", f"{name}{n}") for n in range(45)]
        (folder / f"{name}.jsonl").write_text("".join(rows))
    source = {"path": "data/raw/big", "format": "prompt_completion", "licence": "CC0-1.0"}
    change_params(project, sources_={"a": source})
    results = []
    for executor in ("local", "ray"):
        change_params(project, run={"executor": executor, "memo_mb": 0})
        done = run(["python", "-m", "stages.clean", "a"], project)
        assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
        results.append(files_of(project / "data/clean") | files_of(project / "data/ledger"))
    assert results[0] == results[1]
    (folder / "b.jsonl").write_bytes((row * 45).encode("utf-16"))
    done = run(["python", "-m", "stages.clean", "a"], project)
    assert done.returncode == 3
    assert done.stderr == (
        f"error: {folder}/b.jsonl:1: the file is UTF-16: convert it to UTF-8 (iconv)\n"
    )
