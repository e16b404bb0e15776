"""Wheels and source distributions as named files; nothing in them is run."""

import stat
import tarfile
import zipfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO

WHEEL, SDIST = ".whl", ".tar.gz"
BROKEN = (zipfile.BadZipFile, tarfile.TarError, EOFError, OSError)


@dataclass(frozen=True)
class Entry:
    """A file of an archive; `is_plain` is false for links and devices."""

    path: str
    size: int
    is_plain: bool
    open: Callable[[], IO[bytes]]


@dataclass(frozen=True)
class Archive:
    """title: NAME-VERSION as the archive has it, or ""."""

    title: str
    entries: list[Entry]


@contextmanager
def open_archive(file: Path) -> Iterator[Archive]:
    """Raises one of `BROKEN` for a damaged file, also while its entries are read."""
    if file.name.endswith(WHEEL):
        with zipfile.ZipFile(file) as wheel:
            yield of_wheel(wheel)
    else:
        with tarfile.open(file, "r:gz") as sdist:
            yield of_sdist(sdist)


def of_wheel(wheel: zipfile.ZipFile) -> Archive:
    info = next((n for n in wheel.namelist() if n.endswith(".dist-info/METADATA")), "")
    entries = [
        Entry(
            entry.filename,
            entry.file_size,
            not stat.S_ISLNK(entry.external_attr >> 16),
            lambda entry=entry: wheel.open(entry),  # type: ignore[misc]
        )
        for entry in wheel.infolist()
        if not entry.is_dir()
    ]
    return Archive(info.removesuffix(".dist-info/METADATA"), entries)


def of_sdist(sdist: tarfile.TarFile) -> Archive:
    """Paths are those below the one folder of a source distribution, which is its title."""
    members = [member for member in sdist if not member.isdir()]
    titles = {member.name.partition("/")[0] for member in members}
    entries = [
        Entry(
            member.name.partition("/")[2],
            member.size,
            member.isreg(),
            lambda member=member: sdist.extractfile(member),  # type: ignore
        )
        for member in members
    ]
    return Archive(titles.pop() if len(titles) == 1 else "", entries)
