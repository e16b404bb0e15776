"""`sft check`: whether a build can start, and what it will need, before a long run."""

import os
import shutil
import subprocess
from dataclasses import asdict
from pathlib import Path, PurePosixPath

import orjson
from rich.console import Console
from rich.table import Table

from sftlib.cli.estimate import Estimate, estimate, read_shapes
from sftlib.cli.space import params_with, parse_settings
from sftlib.console.printable import printable
from sftlib.core.environment import check_environment
from sftlib.core.errors import DataError
from sftlib.core.fingerprint import files_below
from sftlib.core.params import Params, load_params


def print_check(settings: list[str], as_json: bool) -> None:
    """Check params, environment and data, then estimate; raises an error that names all faults.

    settings: KEY=VALUE of params that an experiment would change.
    """
    root = Path.cwd()
    params = load_params(root / "params.yaml")
    if settings:
        params = params_with(root / "params.yaml", parse_settings(settings))
    check_environment(root)
    check_data(root, params)
    raw = sum(size_of(root / source.path) for source in params.sources.values())
    shapes = read_shapes(root / "models/base")
    needs = None if shapes is None else estimate(root, params, shapes, raw)
    warnings = [*untracked(root, params), *shortages(root, params, needs)]
    if as_json:
        report = {"estimate": None if needs is None else asdict(needs), "warnings": warnings}
        print(orjson.dumps(report).decode())
        return
    console = Console(markup=False, highlight=False)
    console.print(f"params.yaml is valid; {len(params.sources)} sources, {raw / 1e6:.1f} MB")
    if needs is None:
        console.print(
            "No estimate: models/base is not built (`dvc repro base`), or of another type"
        )
    else:
        console.print(estimate_table(needs))
    for warning in warnings:
        console.print(printable(f"warning: {warning}"))


def check_data(root: Path, params: Params) -> None:
    """Raise `DataError` that names every source which is neither here nor fetched."""
    faults = [
        f"sources.{name}.path: {source.path} is missing: put it there, run `dvc pull`, or list it "
        "under `fetch`"
        for name, source in params.sources.items()
        if not (root / source.path).exists() and not is_fetched(source.path, params)
    ]
    if faults:
        raise DataError("\n".join(f"params.yaml: {fault}" for fault in faults))


def is_fetched(path: str, params: Params) -> bool:
    """Whether a fetch stage makes data/raw/KEY, in which `path` lies."""
    return PurePosixPath(path).parts[2] in params.fetch


def untracked(root: Path, params: Params) -> list[str]:
    """Sources that neither git nor DVC knows: experiments in a copy would not find them."""
    listed = subprocess.run(
        ["git", "ls-files", "data/raw"], cwd=root, capture_output=True, text=True
    )
    known = {root / name for name in listed.stdout.splitlines()}
    known |= {path.with_suffix("") for path in (root / "data/raw").rglob("*.dvc")}
    return [
        f"{source.path} is tracked by neither git nor DVC, so `dvc exp run --temp` does not see "
        f"it: run `git add {source.path}`, or `dvc add` for large data"
        for source in params.sources.values()
        if not is_fetched(source.path, params) and not is_known(root / source.path, known)
    ]


def is_known(path: Path, known: set[Path]) -> bool:
    inside = any(file.is_relative_to(path) for file in known)
    return inside or any(parent in known for parent in path.parents)


def shortages(root: Path, params: Params, needs: Estimate | None) -> list[str]:
    """Where the estimate exceeds what this machine has free."""
    if needs is None:
        return []
    found = []
    memory = os.sysconf("SC_AVPHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    on_cpu = params.train.device == "cpu" or not Path("/dev/nvidia0").exists()
    if on_cpu and needs.memory_bytes > memory:
        found.append(f"training needs about {gigabytes(needs.memory_bytes)} of memory, "
                     f"{gigabytes(memory)} are free: lower tokenize.tokens_per_pack, or set "
                     "train.gradient_checkpointing")  # fmt: skip
    disk = shutil.disk_usage(root).free
    if needs.disk_bytes > disk:
        found.append(f"a whole build needs about {gigabytes(needs.disk_bytes)} of disk, "
                     f"{gigabytes(disk)} are free: see what `sft clean` would free")  # fmt: skip
    return found


def size_of(path: Path) -> int:
    return sum(file.stat().st_size for file in files_below(path))


def gigabytes(count: int) -> str:
    return f"{count / 1e9:.1f} GB"


def estimate_table(needs: Estimate) -> Table:
    table = Table("training", "estimate", show_header=False)
    share = needs.trained / needs.parameters
    table.add_row("weights trained", f"{needs.trained:,} of {needs.parameters:,} ({share:.0%})")
    table.add_row("peak memory", gigabytes(needs.memory_bytes))
    table.add_row("disk, whole build", gigabytes(needs.disk_bytes))
    table.add_row("tokens, all epochs", f"{needs.tokens:,}")
    if needs.seconds is None:
        table.add_row("time", "unknown: no run was timed here yet")
    else:
        speed = f"{needs.tokens_per_second:.0f} tokens/s of the last run"
        table.add_row("time", f"{needs.seconds:,.0f} s at {speed}")
    return table
