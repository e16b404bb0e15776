"""What dvc.lock and .dvc files say about files: a hash for each out and each cache object."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import orjson

from sftlib.core.errors import UsageError

if TYPE_CHECKING:
    from dvc.output import Output

MISSING, UNBUILT, NO_FILE = "missing", "something", "no such file"


@dataclass(frozen=True)
class Claim:
    """What the file at `path` should be.

    expected: its MD5, DVC's own choice; that of a folder when its files are not known.
    kind: a file of an out, one that git holds because `cache: false`, or an object of the cache,
        which may be missing.
    out, stage: as DVC's commands take them.
    """

    path: Path
    expected: str
    kind: Literal["out", "git", "object"]
    out: str
    stage: str
    algorithm: str = "md5"


def claims_of_repository(root: Path) -> list[Claim]:
    """Claims about all outs of dvc.yaml and of .dvc files, each file once."""
    from dvc.exceptions import DvcException
    from dvc.repo import Repo

    claims: dict[Path, Claim] = {}
    try:
        with Repo(str(root)) as repo:
            for out in repo.index.outs:
                for claim in claims_of_out(out, root):
                    claims.setdefault(claim.path, claim)
    except DvcException as error:
        raise UsageError(f"DVC cannot read the repository in {root}: {error}") from None
    return list(claims.values())


def claims_of_out(out: Output, root: Path) -> Iterator[Claim]:
    path, value, stage = Path(out.fs_path), out.hash_info.value, out.stage.addressing
    name = shown_path(path, root)
    kind: Literal["out", "git"] = "out" if out.use_cache else "git"
    if value is None:
        yield Claim(path, UNBUILT, kind, name, stage)
    elif value.endswith(".dir"):
        yield object_claim(out, value, name)
        yield from claims_of_folder(out, value, name)
    else:
        yield Claim(path, value, kind, name, stage, out.hash_name)
        if out.use_cache:
            yield object_claim(out, value, name)


def claims_of_folder(out: Output, value: str, name: str) -> Iterator[Claim]:
    """A claim for each file; one for the folder where nothing sound tells its files."""
    path, stage = Path(out.fs_path), out.stage.addressing
    listing = cached_listing(out, value) or present_listing(out, value)
    if listing is None:
        yield Claim(path, value, "out", name, stage)
        return
    for file, expected in listing.items():
        yield Claim(path / file, expected, "out", name, stage, out.hash_name)
        yield object_claim(out, expected, name)
    for extra in sorted(set(files_below(out)) - set(listing)):
        yield Claim(path / extra, NO_FILE, "out", name, stage)


def object_claim(out: Output, value: str, name: str) -> Claim:
    path = Path(out.cache.oid_to_path(value))
    expected = value.removesuffix(".dir")
    return Claim(path, expected, "object", name, out.stage.addressing, out.hash_name)


def cached_listing(out: Output, value: str) -> dict[str, str] | None:
    """Relative path -> hash of a folder's files by its cache object, if that is sound."""
    path = Path(out.cache.oid_to_path(value))
    data = path.read_bytes() if path.is_file() else b""
    if hashlib.md5(data, usedforsecurity=False).hexdigest() != value.removesuffix(".dir"):
        return None
    return {entry["relpath"]: entry["md5"] for entry in orjson.loads(data)}


def present_listing(out: Output, value: str) -> dict[str, str] | None:
    """The same by the files that are there, if they are what the folder should hold."""
    if not Path(out.fs_path).is_dir():
        return None
    from dvc_data.hashfile.build import build

    _, _, tree = build(
        out.cache, out.fs_path, out.fs, out.hash_name, dry_run=True, ignore=out.dvcignore
    )
    if tree.hash_info.value != value:
        return None
    return {entry["relpath"]: entry["md5"] for entry in tree.as_list()}


def files_below(out: Output) -> Iterator[str]:
    """The files of a folder out that DVC sees, relative to it."""
    if Path(out.fs_path).is_dir():
        for file in out.dvcignore.find(out.fs, out.fs_path):
            yield Path(file).relative_to(out.fs_path).as_posix()


def shown_path(path: Path, root: Path) -> str:
    return path.relative_to(root).as_posix() if path.is_relative_to(root) else str(path)
