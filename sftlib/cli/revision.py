"""A build as some revision of the repository holds it, read without checking anything out.

What git keeps comes from git, what DVC keeps from the working directory, the cache or the remote.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import orjson
from ruamel.yaml import YAML

from sftlib.core.errors import DataError, UsageError

if TYPE_CHECKING:
    from dvc.repo import Repo

WORKSPACE = "workspace"
CODE = ("sftlib", "stages", "constraints")
EMPTY_FOLDER = hashlib.md5(b"[]", usedforsecurity=False).hexdigest() + ".dir"


class Revision:
    """A commit, tag, branch or experiment; the working directory when `name` is `WORKSPACE`.

    Raises `UsageError` for a name that is none, and for an experiment that failed.
    """

    def __init__(self, root: Path, name: str) -> None:
        from dvc.exceptions import DvcException
        from dvc.repo import Repo

        self.name = name
        try:
            commit = None if name == WORKSPACE else commit_of(Repo(str(root)), name)
            self.repo = Repo(str(root), rev=commit)
            outs = self.repo.index.outs
        except DvcException as error:
            raise UsageError(f"{name}: DVC cannot read it: {error}") from None
        self.prefix = str(root) if name == WORKSPACE else ""
        self.hashes: dict[str, str | None] = {
            out.fs_path.removeprefix(f"{self.prefix}/"): out.hash_info.value for out in outs
        }

    def params(self) -> Any:
        return YAML(typ="safe").load(self.read("params.yaml"))

    def read(self, path: str) -> bytes:
        """The bytes of a file; `DataError` when there is none, or not on this machine."""
        from dvc_data.index import DataIndexError

        try:
            data: bytes = self.repo.dvcfs.read_bytes(f"/{path}")
        except (OSError, DataIndexError):
            raise DataError(self.missing(path)) from None
        return data

    def metrics(self, name: str) -> Any:
        """metrics/NAME.json, but only as dvc.lock of this revision knows it."""
        path = f"metrics/{name}.json"
        data = self.read(path)
        if hashlib.md5(data, usedforsecurity=False).hexdigest() != self.hashes.get(path):
            raise DataError(f"{self.name}: {path} is not the one that its dvc.lock names")
        return orjson.loads(data)

    def lines(self, path: str) -> Iterator[dict[str, Any]]:
        return map(orjson.loads, self.read(path).splitlines())

    def folder_lines(self, path: str) -> Iterator[tuple[str, dict[str, Any]]]:
        """(file, object) of every line below a folder; nothing for one that was never made."""
        for out, value in self.hashes.items():
            is_inside = out == path or out.startswith(f"{path}/")
            if is_inside and value != EMPTY_FOLDER and not self.files(out):
                raise DataError(self.missing(out))
        for file in self.files(path):
            if file.endswith(".jsonl"):
                for line in self.lines(file):
                    yield file, line

    def files(self, path: str) -> list[str]:
        """The files below a folder; none where DVC does not know them."""
        from dvc_data.index import DataIndexError

        try:
            return sorted(file.lstrip("/") for file in self.repo.dvcfs.find(f"/{path}"))
        except DataIndexError:
            return []

    def missing(self, path: str) -> str:
        if self.name == WORKSPACE:
            return f"{path} is neither here nor in the cache: run `dvc pull`, or `dvc repro`"
        return (
            f"{self.name}: its {path} is neither in the cache nor on the default remote: run "
            "`dvc fetch --all-commits` where a remote has it (`dvc exp pull` for an experiment), "
            f"or build it: `git checkout {self.name} && dvc repro`"
        )

    def stale(self) -> tuple[list[str], list[str]]:
        """What changed since dvc.lock was written: (params and data, code), as 'stage: what'."""
        choices: list[str] = []
        code: list[str] = []
        outs = self.hashes
        for stage in self.repo.index.stages:
            for dep in stage.deps:
                path = dep.fs_path.removeprefix(f"{self.prefix}/")
                if outs.get(path, dep.hash_info.value) != dep.hash_info.value:
                    choices.append(f"{name_of(stage)}: {path}")
                for what in changes(dep):
                    found = code if what.split("/")[0] in CODE else choices
                    found.append(f"{name_of(stage)}: {what}")
        return choices, code

    def check_built(self) -> None:
        """Raise `DataError` unless params and data are those that its outputs were built from.

        Otherwise a build that failed, or was never run, would show the results of another.
        """
        choices, _ = self.stale()
        if choices:
            shown = ", ".join(choices[:5]) + (", ..." if len(choices) > 5 else "")
            raise DataError(
                f"{self.name} is not built: its dvc.lock is older than {shown}; its metrics would "
                f"be those of another build. {self.rebuild()}"
            )

    def rebuild(self) -> str:
        if self.name == WORKSPACE:
            return "Run `dvc repro`"
        return f"Run `git checkout {self.name} && dvc repro`, then commit dvc.lock"


def commit_of(repo: Repo, name: str) -> str:
    from dvc.scm import RevError, resolve_rev

    try:
        return str(resolve_rev(repo.scm, name))
    except RevError:
        queue = repo.experiments.celery_queue
        failed = {done.entry.name for done in queue.iter_failed()}
        waiting = {entry.name for entry in (*queue.iter_queued(), *queue.iter_active())}
    if name in failed:
        raise UsageError(f"{name}: this experiment failed; see `dvc queue logs {name}`")
    if name in waiting:
        raise UsageError(f"{name}: this experiment has not ended; see `dvc queue status`")
    raise UsageError(
        f"{name}: no commit, branch, tag or experiment; `dvc exp list -A` lists experiments, and "
        "one that failed or was killed leaves none"
    )


def name_of(stage: Any) -> str:
    """The name of a stage, whatever folder dvc.yaml is seen from."""
    return str(stage.addressing).rpartition("dvc.yaml:")[2]


def changes(dep: Any) -> list[str]:
    """What of a dep differs from dvc.lock; an output that is only not checked out does not."""
    found = []
    for path, status in dep.status().items():
        if isinstance(status, dict):  # of params.yaml: key -> how
            found += sorted(status)
        elif status != "deleted":
            found.append(path)
    return found
