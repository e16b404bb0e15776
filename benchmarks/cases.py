"""The cases of `benchmarks.curation`: what is run, and which figures come of it."""

import json
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from statistics import median

from benchmarks.planted import dataset
from benchmarks.report import Figure, figure
from benchmarks.scratch import ROOT, SOURCE, log_of, run_stage, scratch_project
from benchmarks.usage import (
    CommandFailed,
    Usage,
    median_usage,
    module_command,
    total_usage,
    usage_of,
)
from benchmarks.venvs import peer_bin
from sftlib.core.fingerprint import fingerprint

COLD_ROWS = 10
COLD_RUNS = 3  # times those that are asked for
HEAVY = ("torch", "transformers", "pandas")
PEERS = Path(__file__).parent / "peers"
NEAR_PEERS = {
    "data-juicer": "data_juicer_minhash.py",
    "datatrove": "datatrove_minhash.py",
    "datasketch": "datasketch_lsh.py",
}


@dataclass(frozen=True)
class Bench:
    """Where everything lies, and what is asked for.

    runs: of ours, of which the median counts; peers run once.
    scale: 1, or the share of all rows to try the benchmark itself with.
    failures: systems that could not be measured are named there, and the others go on.
    """

    folder: Path
    runs: int
    scale: float
    peers: bool
    peers_at_520k: bool
    model: Path
    failures: list[str]

    @property
    def work(self) -> Path:
        """What the systems write."""
        return self.folder / "work"

    def count(self, thousands: int) -> int:
        return round(thousands * 1000 * self.scale)

    def rows(self, thousands: int) -> Path:
        """The folder of so many planted rows and of the pairs that are near, made once."""
        count = self.count(thousands)
        makers = ("benchmarks/planted.py", "benchmarks/exact.py")
        folder = self.folder / f"rows-{count}-{fingerprint(ROOT, makers, '')[:8]}"
        if not folder.exists():
            new = self.folder / "unfinished"
            shutil.rmtree(new, ignore_errors=True)
            words, pairs = new / "words.jsonl", new / "pairs.npy"
            module("planted", dataset(self.folder), count, new)
            module("exact", words, pairs)
            new.rename(folder)
        return folder


def module(name: str, *arguments: object) -> None:
    subprocess.run(module_command(name, *arguments), cwd=ROOT, check=True)


def figures_of(case: str, system: str, usage: Usage) -> Iterator[Figure]:
    yield figure(case, system, "cpu_seconds", usage.cpu_seconds, "s")
    yield figure(case, system, "peak_mb", usage.peak_mb, "MB")


def times(case: str, peer: str, theirs: Usage, ours: Usage) -> Figure:
    ratio = theirs.cpu_seconds / ours.cpu_seconds
    return figure(case, "ours", f"times less CPU than {peer}", ratio, "x")


def clean_dedup_52k(bench: Bench) -> Iterator[Figure]:
    """The stages clean and curate, each as a process, without a memo of earlier runs."""
    case, rows = "clean_dedup_52k", bench.rows(52)
    runs = []
    for _ in range(bench.runs):
        project = scratch_project(bench.work / "project", rows / "rows.jsonl")
        stages = [run_stage(project, "clean", SOURCE), run_stage(project, "curate")]
        runs.append((total_usage(stages), *stages))
    total, clean, curate = [median_usage(usages) for usages in zip(*runs, strict=True)]
    yield from figures_of(case, "ours", total)
    yield figure(case, "ours", "cpu_seconds of clean", clean.cpu_seconds, "s")
    yield figure(case, "ours", "cpu_seconds of curate", curate.cpu_seconds, "s")
    counts = json.loads((project / "metrics/curate.json").read_text())
    yield figure(case, "ours", "rows kept", counts["kept"], "")
    if bench.peers:
        yield from recipe_of_data_juicer(bench, case, rows, total)


def recipe_of_data_juicer(bench: Bench, case: str, rows: Path, ours: Usage) -> Iterator[Figure]:
    peer, out = "data-juicer", bench.work / "recipe"
    shutil.rmtree(out, ignore_errors=True)
    options = {
        "config": PEERS / "data_juicer_recipe.yaml",
        "dataset_path": rows / "texts.jsonl",
        "export_path": out / "rows.jsonl",
    }
    arguments = [str(word) for name, value in options.items() for word in (f"--{name}", value)]
    command = [peer_bin(peer, bench.folder) / "dj-process", *arguments]
    usage = usage_of(command, bench.folder, bench.work / "recipe.log")
    yield from figures_of(case, peer, usage)
    with (out / "rows.jsonl").open("rb") as lines:
        yield figure(case, peer, "rows kept", sum(1 for _ in lines), "")
    yield times(case, peer, usage, ours)


def near_dup_52k(bench: Bench) -> Iterator[Figure]:
    yield from near_dup(bench, "near_dup_52k", 52, bench.runs, bench.peers)


def near_dup_520k(bench: Bench) -> Iterator[Figure]:
    if bench.peers and not bench.peers_at_520k:
        print("near_dup_520k: peers are left out, they take 10 to 20 minutes: --peers-at-520k")
    yield from near_dup(bench, "near_dup_520k", 520, 1, bench.peers_at_520k)


def near_dup(bench: Bench, case: str, thousands: int, runs: int, peers: bool) -> Iterator[Figure]:
    """Near-duplicates alone, of the same words, judged by the pairs of an exact join."""
    rows = bench.rows(thousands)
    ours = [near_step(bench, rows, module_command("near")) for _ in range(runs)]
    usage = median_usage(ours)
    yield from figures_of(case, "ours", usage)
    yield from judgement(bench, case, "ours", thousands)
    for peer, script in NEAR_PEERS.items() if peers else ():
        try:
            command = [str(peer_bin(peer, bench.folder) / "python"), str(PEERS / script)]
            theirs = near_step(bench, rows, command)
            yield from figures_of(case, peer, theirs)
            yield from judgement(bench, case, peer, thousands)
            yield times(case, peer, theirs, usage)
        except (CommandFailed, subprocess.CalledProcessError) as error:
            bench.failures.append(f"{case}: {peer}: {error}")


def near_step(bench: Bench, rows: Path, command: list[str]) -> Usage:
    words, answer = rows / "words.jsonl", bench.work / "answer.json"
    answer.unlink(missing_ok=True)  # that of the system before is not judged twice
    return usage_of([*command, str(words), str(answer)], ROOT, bench.work / "near.log")


def judgement(bench: Bench, case: str, system: str, thousands: int) -> Iterator[Figure]:
    """How right the last answer is, by the exact pairs."""
    pairs, answer = bench.rows(thousands) / "pairs.npy", bench.work / "answer.json"
    command = module_command("judge", pairs, answer, bench.count(thousands))
    told = subprocess.run(command, cwd=ROOT, check=True, capture_output=True).stdout
    for metric, value in json.loads(told).items():
        yield figure(case, system, metric, value, "s" if "seconds" in metric else "")


def tokenize_52k(bench: Bench) -> Iterator[Figure]:
    """Ids, masks and packs of the rows that the stage clean leaves."""
    case, rows = "tokenize_52k", bench.rows(52)
    project = scratch_project(bench.work / "project", rows / "rows.jsonl")
    run_stage(project, "clean", SOURCE)
    model = base_model(bench)
    usage: dict[str, Usage] = {}
    for way in ("apply_chat_template", "encode_batch", "ours"):
        out = bench.work / f"{way}.npz"
        command = module_command("tokens", way, model, project / f"data/clean/{SOURCE}", out)
        runs = bench.runs if way == "ours" else 1
        log = bench.work / "tokens.log"
        usage[way] = median_usage([usage_of(command, ROOT, log) for _ in range(runs)])
        yield from figures_of(case, way, usage[way])
        compare = module_command("tokens", "same", out, bench.work / "apply_chat_template.npz")
        done = subprocess.run(compare, cwd=ROOT)
        yield figure(case, way, "identical", float(done.returncode == 0), "")
    for way in ("apply_chat_template", "encode_batch"):
        yield times(case, way, usage[way], usage["ours"])


def base_model(bench: Bench) -> Path:
    """The model that is named, or that of params.yaml, built once."""
    if bench.model.exists():
        return bench.model.resolve()
    project = bench.folder / "base"
    if not (project / "models/base").exists():
        scratch_project(project, Path("/dev/null"))
        run_stage(project, "base")
    return project / "models/base"


def cold_start(bench: Bench) -> Iterator[Figure]:
    """The stage clean on ten rows: mostly the start of Python and imports."""
    case, rows = "cold_start", bench.rows(52) / "rows.jsonl"
    project = scratch_project(bench.work / "project", rows, COLD_ROWS)
    runs = [run_stage(project, "clean", SOURCE) for _ in range(COLD_RUNS * bench.runs)]
    yield figure(case, "ours", "wall_seconds", median([run.seconds for run in runs]), "s")
    yield figure(case, "ours", "cpu_seconds", median_usage(runs).cpu_seconds, "s")
    run_stage(project, "clean", SOURCE, options=("-X", "importtime"))
    lines = log_of(project, "clean").read_text().splitlines()
    imported = {line.rpartition("|")[2].strip() for line in lines}
    yield figure(case, "ours", "modules imported", len(imported), "")
    yield figure(case, "ours", "heavy imports", len(imported & set(HEAVY)), "")


CASES = {
    "clean_dedup_52k": clean_dedup_52k,
    "near_dup_52k": near_dup_52k,
    "near_dup_520k": near_dup_520k,
    "tokenize_52k": tokenize_52k,
    "cold_start": cold_start,
}
