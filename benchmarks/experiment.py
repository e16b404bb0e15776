"""An experiment in which no stage runs, against a bare `dvc exp run` of an equal graph of `true`.

Run in the root of a built repository whose outputs are small: both sides copy theirs from the cache
into the experiment's folder. The experiment changes a key of `run`, on which no stage depends.
"""

import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from statistics import median

from benchmarks.noop import timed, true_graph
from benchmarks.report import Figure, figure, run_benchmark

RUNS = 5
KEY = "run.checkpoint_seconds"


def commit(folder: Path) -> None:
    timed(folder, "git", "add", "-A")
    timed(folder, "git", "commit", "-qm", "built")


def identify(folder: Path) -> None:
    """DVC stashes changes, for which git wants a name."""
    timed(folder, "git", "config", "user.name", "Benchmark")
    timed(folder, "git", "config", "user.email", "benchmark@localhost")


def clone(root: Path, folder: Path) -> None:
    """A clone that shares the cache: experiments of a benchmark do not stay in the repository."""
    timed(root, "git", "clone", "-q", str(root), str(folder))
    cache = subprocess.check_output(["dvc", "cache", "dir"], cwd=root, text=True).strip()
    timed(folder, "dvc", "cache", "dir", "--local", cache)
    identify(folder)
    timed(folder, "dvc", "checkout")


def peer(root: Path) -> Path:
    """The graph of `true` commands, built and committed."""
    folder = true_graph(root, with_params=True)
    identify(folder)
    timed(folder, "dvc", "repro")
    commit(folder)
    return folder


def experiment(folder: Path, number: int) -> float:
    name = f"timed-{number}"
    setting = f"{KEY}={1000 + number}"
    return timed(folder, "dvc", "exp", "run", "--temp", "-n", name, "-S", setting)


def search(folder: Path) -> float:
    """Seconds of one trial of a search of `RUNS` such experiments."""
    values = "|".join(str(2000 + number) for number in range(RUNS))
    words = [f"{KEY}={values}", "--sampler", "grid", "--name", "timed-search"]
    return timed(folder, sys.executable, "-m", "sftlib.cli", "tune", *words) / RUNS


def measure() -> list[Figure]:
    root = Path.cwd()
    with tempfile.TemporaryDirectory() as place:
        ours, theirs = Path(place) / "ours", peer(root)
        clone(root, ours)
        own, bare = [], []
        for number in range(RUNS + 1):
            bare.append(experiment(theirs, number))
            own.append(experiment(ours, number))
        own, bare = own[1:], bare[1:]  # the first fills caches
        trial = search(ours)
        shutil.rmtree(theirs)
    case = "experiment without stage work"
    return [
        figure(case, "true commands", "median of wall time", median(bare), "s"),
        figure(case, "ours", "median of wall time", median(own), "s"),
        figure(case, "ours", "ratio", median(own) / median(bare), "x"),
        figure(case, "sft tune", "wall time of a trial", trial, "s"),
        figure(case, "sft tune", "ratio", trial / median(bare), "x"),
    ]


if __name__ == "__main__":
    run_benchmark(measure)
