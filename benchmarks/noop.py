"""A `dvc repro` that has nothing to do, against one of an equal graph of `true` commands.

Run in the root of a built repository. The peers have the same stages, dependencies and outputs, the
latter tiny. One has the same params, too: the difference to it is what the size of our files costs.
The other has none, and shows what params cost, for DVC reads params.yaml once for each stage.
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


def timed(folder: Path, *command: str) -> float:
    """Run a command in `folder`; the seconds that it takes."""
    started = time.perf_counter()
    subprocess.run(command, cwd=folder, check=True, capture_output=True)
    return time.perf_counter() - started


def true_graph(root: Path, with_params: bool) -> Path:
    """A repository with the stages of dvc.lock as `true` commands, whose outputs are tiny."""
    folder = Path(tempfile.mkdtemp())
    for command in (["git", "init", "-q"], ["dvc", "init", "-q"]):
        subprocess.run(command, cwd=folder, check=True)
    for name in (".dvc/config", ".dvcignore", "params.yaml"):
        shutil.copy(root / name, folder / name)
    stages: dict[str, object] = {}
    locked = YAML(typ="safe").load(root / "dvc.lock")["stages"]
    made = {out["path"] for stage in locked.values() for out in stage.get("outs", [])}
    for name, stage in locked.items():
        deps = [dep["path"] for dep in stage.get("deps", [])]
        outs = [out["path"] for out in stage.get("outs", [])]
        for dep in deps:
            if dep not in made:
                (folder / dep).parent.mkdir(parents=True, exist_ok=True)
                subprocess.run(["cp", "-r", str(root / dep), str(folder / dep)], check=True)
        cmd = " && ".join([*(f"mkdir -p {out} && touch {out}/x" for out in outs), "true"])
        params = list(stage["params"]["params.yaml"]) if with_params else []
        entry = {"cmd": cmd, "deps": deps, "params": params, "outs": outs}
        stages[name.replace("@", "_")] = entry
    with (folder / "dvc.yaml").open("w") as stream:
        YAML().dump({"stages": stages}, stream)
    return folder


def measure() -> list[Figure]:
    places = {
        "ours": Path.cwd(),
        "true commands": true_graph(Path.cwd(), with_params=True),
        "true commands without params": true_graph(Path.cwd(), with_params=False),
    }
    seconds: dict[str, list[float]] = {system: [] for system in places}
    for folder in places.values():
        timed(folder, "dvc", "repro")  # not counted: peers build, and caches of the system fill
    for _ in range(RUNS):
        for system, folder in places.items():
            seconds[system].append(timed(folder, "dvc", "repro"))
    ours = median(seconds["ours"])
    figures = []
    for system, folder in places.items():
        figures.append(
            figure("no-op repro", system, "median of wall time", median(seconds[system]), "s")
        )
        if system != "ours":
            shutil.rmtree(folder)
            ratio = ours / median(seconds[system])
            figures.append(figure("no-op repro", "ours", f"ratio to {system}", ratio, "x"))
    return figures


if __name__ == "__main__":
    os.environ.setdefault("DVC_NO_ANALYTICS", "1")
    run_benchmark(measure)
