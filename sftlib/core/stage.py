"""The life of a stage: check, lock, run, then rename the finished outputs into place."""

import json
import os
import resource
import shutil
import sys
import time
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from sftlib.core.config import suggestion
from sftlib.core.errors import UsageError, exit_on_error
from sftlib.core.params import Params, load_params
from sftlib.core.process import die_with_parent
from sftlib.core.state import append_timing, locked


@dataclass
class Stage:
    """What a stage's `main` is given.

    `key` is the entry of a `foreach` stage (`python -m stages.clean about` -> "about").
    `metrics` is written to metrics/<name>.json, or metrics/<name>/<key>.json, when `main` returns.
    A stage is a context: it is locked inside, so that no second run of it writes the same outputs.
    """

    name: str
    key: str | None
    params: Params
    root: Path
    metrics: dict[str, Any] = field(default_factory=dict)
    _lock: ExitStack = field(default_factory=ExitStack)
    _outputs: dict[Path, Path] = field(default_factory=dict)

    def __enter__(self) -> "Stage":
        """Lock the stage, and clear what a killed run left; `UsageError` if it is running."""
        lock = self.root / ".sft" / "locks" / self.file_name
        self._lock.enter_context(locked(lock, f"stage {self.label}"))
        shutil.rmtree(self.scratch, ignore_errors=True)
        return self

    def __exit__(self, *error: object) -> None:
        shutil.rmtree(self.scratch, ignore_errors=True)
        self._lock.close()

    def output(self, path: str) -> Path:
        """A temporary place to write what becomes `path` once the stage has succeeded."""
        temporary = self.scratch / path
        temporary.parent.mkdir(parents=True, exist_ok=True)
        self._outputs[self.root / path] = temporary
        return temporary

    def key_of(self, section: str, entries: Mapping[str, object]) -> str:
        """The KEY of the command line; raises `UsageError` unless it is one of `entries`."""
        if self.key is None or self.key not in entries:
            known = ", ".join(entries) or "(none)"
            hint = suggestion(self.key or "", entries)
            given = f"{self.key!r} is not in" if self.key else "give a KEY of"
            raise UsageError(
                f"python -m stages.{self.name} KEY: {given} {section} of params.yaml: {known}{hint}"
            )
        return self.key

    @property
    def label(self) -> str:
        return f"{self.name}:{self.key}" if self.key else self.name

    @property
    def scratch(self) -> Path:
        """A folder of this stage's own outside its outputs; gone when the stage ends."""
        return self.root / ".sft" / "tmp" / self.file_name

    @property
    def file_name(self) -> str:
        return self.label.replace(":", "-")

    def write_metrics(self) -> None:
        if self.metrics:
            path = self.output(f"metrics/{self.label.replace(':', '/')}.json")
            path.write_text(json.dumps(self.metrics, indent=2, ensure_ascii=False) + "\n")

    def publish(self) -> None:
        """Rename every output into place, metrics last: until then the old ones stand."""
        for final, temporary in self._outputs.items():
            if not temporary.exists():
                raise AssertionError(f"{self.label} did not write {final}")
        for final, temporary in self._outputs.items():
            final.parent.mkdir(parents=True, exist_ok=True)
            retired = temporary.with_name(temporary.name + ".retired")
            remove(retired)
            if final.exists() or final.is_symlink():
                final.rename(retired)
            temporary.rename(final)
            remove(retired)


def run_stage(main: Callable[[Stage], None]) -> None:
    """Run a stage script's `main` as `python -m stages.NAME [KEY]`; errors end the process."""
    exit_on_error(lambda: _run(main))


def _run(main: Callable[[Stage], None]) -> None:
    die_with_parent()
    spec = sys.modules["__main__"].__spec__
    name = spec.name.rpartition(".")[2] if spec else Path(sys.argv[0]).stem
    if len(sys.argv) > 2:
        raise UsageError(f"usage: python -m stages.{name} [KEY]")
    root = Path.cwd()
    key = sys.argv[1] if len(sys.argv) == 2 else None
    started, clock = datetime.now(UTC), time.monotonic()
    with Stage(name, key, load_params(root / "params.yaml"), root) as stage:
        main(stage)
        stage.write_metrics()
        stage.publish()
    append_timing(root, timing_of(stage, started, time.monotonic() - clock))


def timing_of(stage: Stage, started: datetime, seconds: float) -> dict[str, Any]:
    """One line of timings.jsonl: wall and CPU seconds, and the peak memory of one process."""
    own = resource.getrusage(resource.RUSAGE_SELF)
    workers = resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu = own.ru_utime + own.ru_stime + workers.ru_utime + workers.ru_stime
    return {
        "stage": stage.label,
        "started": started.isoformat(timespec="seconds"),
        "seconds": round(seconds, 3),
        "cpu_seconds": round(cpu, 3),
        "peak_mb": max(own.ru_maxrss, workers.ru_maxrss) // 1024,
        "pid": os.getpid(),
    }


def remove(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)
