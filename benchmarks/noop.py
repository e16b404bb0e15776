"""A `dvc repro` that has nothing to do, against one of an equal graph of `true` commands.

Run in the root of a built repository. The peer has the same stages, dependencies and
outputs, the latter tiny: the difference is what params, metrics and the size of our files cost.
"""

import os
import shutil
import subprocess
import tempfile
import time
from pathlib import Path
from statistics import median

from ruamel.yaml import YAML

from benchmarks.report import Figure, figure, run_benchmark

RUNS = 9


def seconds_of_repro(folder: Path) -> float:
    started = time.perf_counter()
    subprocess.run(["dvc", "repro"], cwd=folder, check=True, capture_output=True)
    return time.perf_counter() - started


def true_graph(root: Path, folder: Path) -> None:
    """The stages of dvc.lock as `true` commands: same dependencies and outputs, tiny outputs."""
    stages: dict[str, object] = {}
    locked = YAML(typ="safe").load(root / "dvc.lock")["stages"]
    for name, stage in locked.items():
        deps = [dep["path"] for dep in stage.get("deps", [])]
        outs = [out["path"] for out in stage.get("outs", [])]
        for dep in deps:
            if dep.startswith(("sftlib/", "stages/", "constraints/")):
                (folder / dep).parent.mkdir(parents=True, exist_ok=True)
                subprocess.run(["cp", "-r", str(root / dep), str(folder / dep)], check=True)
        commands = [f"mkdir -p {out} && touch {out}/x" for out in outs]
        cmd = " && ".join([*commands, "true"])
        stages[name.replace("@", "_")] = {"cmd": cmd, "deps": deps, "outs": outs}
    (folder / "data/raw").mkdir(parents=True)
    shutil.copy(root / "data/raw/about.jsonl", folder / "data/raw/about.jsonl")
    with (folder / "dvc.yaml").open("w") as stream:
        YAML().dump({"stages": stages}, stream)


def measure() -> list[Figure]:
    root = Path.cwd()
    peer = Path(tempfile.mkdtemp())
    for command in (["git", "init", "-q"], ["dvc", "init", "-q"]):
        subprocess.run(command, cwd=peer, check=True)
    shutil.copy(root / ".dvc/config", peer / ".dvc/config")
    true_graph(root, peer)
    shutil.copy(root / ".dvcignore", peer / ".dvcignore")
    for folder in (peer, root):
        seconds_of_repro(folder)
    ours, theirs = [], []
    for _ in range(RUNS):
        theirs.append(seconds_of_repro(peer))
        ours.append(seconds_of_repro(root))
    shutil.rmtree(peer)
    return [
        figure("no-op repro", "ours", "median of wall time", median(ours), "s"),
        figure("no-op repro", "true commands", "median of wall time", median(theirs), "s"),
        figure("no-op repro", "ours", "ratio", median(ours) / median(theirs), "x"),
    ]


if __name__ == "__main__":
    os.environ.setdefault("DVC_NO_ANALYTICS", "1")
    run_benchmark(measure)
