"""The cases of `benchmarks.training`: what is trained on which rows, by whom, and what it takes."""

import json
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from statistics import median
from typing import Any

from benchmarks.report import Figure, figure
from benchmarks.usage import module_command, usage_of
from benchmarks.venvs import peer_bin
from sftlib.core.params import Lora, load_params

SCRIPTS = {
    "trl_best": "trl_sft.py",
    "trl_default": "trl_sft.py",
    "trainer": "transformers_trainer.py",
}


@dataclass(frozen=True)
class Bench:
    """root: a repository built to `tokenize`. runs: of each system, turn about; medians count."""

    root: Path
    folder: Path
    peers: bool
    runs: int
    precision: str


@dataclass(frozen=True)
class Result:
    """Tokens of the rows, without padding, in a second of training: on the wall, and of one core,
    which other work on the machine disturbs less. Memory of the process; loss on these rows after.
    """

    tokens_per_second: float
    tokens_per_cpu_second: float
    peak_mb: float
    final_loss: float


@dataclass(frozen=True)
class Case:
    """which: the rows of steps, a name of `benchmarks.steps`; keys: of params.train, changed."""

    name: str
    which: str
    systems: tuple[str, ...]
    keys: dict[str, Any]
    recipe: str | None = None


METRICS = {
    "tokens_per_second": "1/s",
    "tokens_per_cpu_second": "1/s",
    "peak_mb": "MB",
    "final_loss": "nats",
}
SAME = {"epochs": 1, "warmup": 0.0, "weight_decay": 0.0, "validations_per_epoch": 1}
LORA = {"lora": Lora(16, 32.0, 0.0), "lr": 1e-3}
FULL = {"lora": None, "lr": 1e-4}
TRL = ("ours", "trl_best", "trl_default")
UNSHARED = ("ours", "ours_unshared")

CASES = {
    "chat_full_cpu": (Case("chat_full_cpu", "first", TRL, FULL),),
    "chat_lora_cpu": (Case("chat_lora_cpu", "first", TRL, LORA),),
    "shared_prefix_cpu": (
        Case("shared_prefix_cpu, default rows", "packs", UNSHARED, LORA),
        Case("shared_prefix_cpu, 500 tokens", "tools", UNSHARED, LORA),
    ),
    "classify_cpu": (Case("classify_cpu", "full_packs", ("ours", "trainer"), {}, "news"),),
}


def figures_of_case(bench: Bench, case: Case) -> Iterator[Figure]:
    """Every system `bench.runs` times, turn about: other work on the machine hits all alike."""
    root = bench.root if case.recipe is None else built_recipe(bench, case.recipe)
    folder = bench.folder / "training" / case.name.replace(", ", "-").replace(" ", "-")
    count = prepare(bench, case, root, folder)
    systems = [name for name in case.systems if bench.peers or name not in SCRIPTS]
    runs: dict[str, list[Result]] = {name: [] for name in systems}
    for _ in range(bench.runs):
        for name in systems:
            runs[name].append(run_system(bench, folder, name, count))
    yield from figures_of_runs(case.name, runs)


def prepare(bench: Bench, case: Case, root: Path, folder: Path) -> int:
    """Write rows and settings that all systems read; the number of tokens of the rows."""
    folder.mkdir(parents=True, exist_ok=True)
    params = load_params(root / "params.yaml")
    train = replace(params.train, **SAME, **case.keys, device="cpu", precision=bench.precision)
    model = root / "models/base"
    settings = {"task": params.task, "model": str(model), "train": asdict(train)}
    (folder / "settings.json").write_text(json.dumps(settings, indent=2))
    arguments = [case.which, root / "data/tokenized", model, folder]
    usage_of(module_command("steps", *arguments), bench.root, folder / "steps.log")
    with (folder / "rows.jsonl").open() as lines:
        return sum(len(json.loads(line)["input_ids"]) for line in lines)


def run_system(bench: Bench, folder: Path, system: str, tokens: int) -> Result:
    """Train in a process of its own, and score what it leaves."""
    out = folder / system
    shutil.rmtree(out, ignore_errors=True)
    out.mkdir()
    command: list[str | Path] = [*module_command("finetune")]
    if system in SCRIPTS:
        script = Path(__file__).parent / "peers" / SCRIPTS[system]
        command = [peer_bin("trl", bench.folder) / "python", script]
    log = folder / f"{system}.log"
    usage = usage_of([*command, folder, out, system], bench.root, log, HF_HUB_OFFLINE="1")
    usage_of(module_command("score", folder, out), bench.root, folder / f"{system}.score.log")
    answer = json.loads((out / "answer.json").read_text())
    seconds, cpu_seconds = answer["seconds"], answer["cpu_seconds"]
    loss = json.loads((out / "loss.json").read_text())["loss"]
    shutil.rmtree(out / "model")
    return Result(tokens / seconds, tokens / cpu_seconds, usage.peak_mb, loss)


def figures_of_runs(case: str, runs: dict[str, list[Result]]) -> Iterator[Figure]:
    """The medians of each system, and what ours gains on the others."""
    middle = {
        system: Result(*(median(getattr(result, name) for result in results) for name in METRICS))
        for system, results in runs.items()
    }
    for system, result in middle.items():
        for name, unit in METRICS.items():
            yield figure(case, system, name, getattr(result, name), unit)
    ours = middle.pop("ours")
    for system, result in middle.items():
        faster = ours.tokens_per_second / result.tokens_per_second
        less = ours.tokens_per_cpu_second / result.tokens_per_cpu_second
        yield figure(case, "ours", f"times as fast as {system}", faster, "x")
        yield figure(case, "ours", f"times less CPU than {system}", less, "x")
        yield figure(case, "ours", f"memory of {system}", ours.peak_mb / result.peak_mb, "x")


def built_recipe(bench: Bench, recipe: str) -> Path:
    """A clone that shares the cache, in which the params of a recipe are built to `tokenize`."""
    clone = bench.folder / recipe
    shutil.rmtree(clone, ignore_errors=True)
    subprocess.run(["git", "clone", "--quiet", str(bench.root), str(clone)], check=True)
    shutil.copy(bench.root / f"recipes/{recipe}/params.yaml", clone / "params.yaml")
    (clone / "dvc.lock").unlink()
    cache = ["dvc", "cache", "dir", "--local", str(bench.root / ".dvc/cache")]
    subprocess.run(cache, cwd=clone, check=True)
    usage_of(["dvc", "repro", "tokenize"], clone, bench.folder / f"{recipe}.log")
    return clone
