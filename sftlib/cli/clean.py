"""`sft clean`: free what nothing refers to; it shows first, and removes when told so."""

from __future__ import annotations

import logging
import subprocess
import sys
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import orjson
from rich.console import Console
from rich.table import Table

from sftlib.cli.leftovers import Leftover, find_leftovers, remove, running_copies
from sftlib.console.printable import printable
from sftlib.core.errors import DataError, UsageError
from sftlib.core.state import state_folder

# What of the cache stays, as options of `dvc gc`; each also keeps the working directory.
KEPT = {
    "commits": ["--all-commits", "--all-experiments"],
    "branches": ["--all-branches", "--all-tags", "--all-experiments"],
    "workspace": ["--workspace"],
}


@dataclass(frozen=True)
class Sweep:
    """What may go: state untouched for `days`, and cache objects that nothing in `keep` needs.

    projects: other repositories that use the same cache.
    """

    root: Path
    days: float
    keep: str
    projects: list[Path]


def print_clean(sweep: Sweep, yes: bool, as_json: bool) -> None:
    """Show what may go, and remove it if `yes`; `UsageError` where others could lose builds."""
    check_alone(sweep)
    leftovers = find_leftovers(sweep.root, sweep.days)
    unused = unused_objects(sweep)
    if yes:
        for leftover in leftovers:
            remove(leftover)
        collect(sweep)
    if as_json:
        report = {
            "removed": yes,
            "leftovers": [{"what": x.what, "path": str(x.path), "bytes": x.bytes}
                          for x in leftovers],
            "cache": {"objects": len(unused), "bytes": sum(unused.values())},
        }  # fmt: skip
        print(orjson.dumps(report).decode())
        return
    console = Console(markup=False, highlight=False)
    console.print(summary(leftovers, unused))
    console.print("removed" if yes else "nothing was removed: `sft clean --yes` does it")


def check_alone(sweep: Sweep) -> None:
    """Raise `UsageError` where objects of others, or of a running build, would look unused."""
    running = running_copies(sweep.root)
    if running:
        raise UsageError(
            f"an experiment runs in {running[0]}: its outputs belong to no commit yet; wait for "
            "its end"
        )
    cache = cache_folder(sweep.root)
    if not cache.is_relative_to(sweep.root.resolve()) and not sweep.projects:
        raise UsageError(
            f"the cache {cache} lies outside of this repository, so others may use it: name each "
            "of them by --project, or this one (--project .) if there is no other"
        )
    for project in sweep.projects:
        if not (project / ".dvc").is_dir():
            raise UsageError(f"--project {project}: no repository of DVC")


def cache_folder(root: Path) -> Path:
    from dvc.repo import Repo

    with Repo(str(root)) as repo:
        return Path(repo.cache.local_cache_dir).resolve()


def sharers(sweep: Sweep) -> list[Path]:
    """Other repositories whose builds stay: those named, and the clones of `make recipe`."""
    clones = [path.parent for path in state_folder(sweep.root).glob("recipes/*/.dvc")]
    return [path for path in (*sweep.projects, *clones) if path.resolve() != sweep.root.resolve()]


def unused_objects(sweep: Sweep) -> dict[str, int]:
    """Path -> bytes of each object of the cache that `dvc gc` would remove."""
    from dvc.exceptions import DvcException
    from dvc.repo import Repo

    logging.getLogger("dvc").setLevel(logging.ERROR)  # it warns of each commit without a build
    options = {option.lstrip("-").replace("-", "_"): True for option in KEPT[sweep.keep]}
    options.pop("workspace", None)
    used: set[str] = set()
    try:
        for path in (sweep.root, *sharers(sweep)):
            with Repo(str(path)) as repo:
                # force: of builds that are not in this cache, DVC would ask whether to go on.
                for objects in repo.used_objs(force=True, **options).values():
                    used |= {entry.value for entry in objects}
        with Repo(str(sweep.root)) as repo:
            stores = [store for _, store in repo.cache.by_scheme() if store]
            paths = {store.oid_to_path(oid) for store in stores for oid in store.all()
                     if oid not in used}  # fmt: skip
    except DvcException as error:
        raise DataError(f"DVC cannot tell what is in use: {error}") from None
    return {path: Path(path).stat().st_size for path in sorted(paths)}


def collect(sweep: Sweep) -> None:
    others = [str(path) for path in sharers(sweep)]
    projects = ["--projects", *others] if others else []
    command = [sys.executable, "-m", "dvc", "gc", "--force", *KEPT[sweep.keep], *projects]
    done = subprocess.run(command, cwd=sweep.root, capture_output=True, text=True)
    if done.returncode != 0:
        raise DataError(f"dvc gc failed: {done.stderr.strip()}")


def summary(leftovers: list[Leftover], unused: dict[str, int]) -> Table:
    table = Table("what", "how many", "size", "where")
    counts = Counter(leftover.what for leftover in leftovers)
    for what, count in counts.items():
        alike = [leftover for leftover in leftovers if leftover.what == what]
        size = sum(leftover.bytes for leftover in alike)
        table.add_row(what, str(count), megabytes(size), printable(str(alike[0].path.parent)))
    total = megabytes(sum(unused.values()))
    table.add_row("unused object of the cache", str(len(unused)), total, "`dvc gc`")
    return table


def megabytes(count: int) -> str:
    return f"{count / 1e6:,.1f} MB"
