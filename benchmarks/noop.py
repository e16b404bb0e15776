"""A `dvc repro` that has nothing to do, against one of an equal graph of `true` commands.

Run in the root of a built repository. The peer has the same stages, the dependencies among them and
the outputs, all of tiny files: the difference is what our files and dependencies on code cost.
"""

import os
import shutil
import subprocess
import tempfile
import time
from pathlib import Path
from statistics import median

from ruamel.yaml import YAML

from benchmarks.report import figure, publish

RUNS = 9


def seconds_of_repro(folder: Path) -> float:
    started = time.perf_counter()
    subprocess.run(["dvc", "repro"], cwd=folder, check=True, capture_output=True)
    return time.perf_counter() - started


def true_graph(lock: Path, folder: Path) -> None:
    """The stages of a dvc.lock as `true` commands between tiny files."""
    stages: dict[str, object] = {}
    locked = YAML(typ="safe").load(lock)["stages"]
    made = {out["path"] for stage in locked.values() for out in stage.get("outs", [])}
    for name, stage in locked.items():
        deps = [dep["path"] for dep in stage.get("deps", [])]
        outs = [out["path"] for out in stage.get("outs", [])]
        deps = [d for d in deps if any(m == d or m.startswith(d + "/") or d.startswith(m + "/")
                                       for m in made)]  # fmt: skip
        command = " && ".join(f"mkdir -p {o} && touch {o}/x" for o in outs)
        # A folder of outputs stands for itself, and `true` for what makes it.
        stages[name.replace("@", "_")] = {"cmd": f"{command} && true", "deps": deps, "outs": outs}
    with (folder / "dvc.yaml").open("w") as stream:
        YAML().dump({"stages": stages}, stream)


def main() -> None:
    root = Path.cwd()
    peer = Path(tempfile.mkdtemp())
    for command in (["git", "init", "-q"], ["dvc", "init", "-q"]):
        subprocess.run(command, cwd=peer, check=True)
    shutil.copy(root / ".dvc/config", peer / ".dvc/config")
    true_graph(root / "dvc.lock", peer)
    for folder in (peer, root):
        seconds_of_repro(folder)
    ours, theirs = [], []
    for _ in range(RUNS):
        theirs.append(seconds_of_repro(peer))
        ours.append(seconds_of_repro(root))
    shutil.rmtree(peer)
    publish(
        [
            figure("no-op repro", "ours", "median of wall time", median(ours), "s"),
            figure("no-op repro", "true commands", "median of wall time", median(theirs), "s"),
            figure("no-op repro", "ours", "ratio", median(ours) / median(theirs), "x"),
        ]
    )


if __name__ == "__main__":
    os.environ.setdefault("DVC_NO_ANALYTICS", "1")
    main()
