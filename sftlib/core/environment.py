"""Refuse to build with packages, or with a copy of sftlib, that the repository does not name.

Only the standard library is imported here: this runs before anything else can fail to import.
"""

import re
import sys
from pathlib import Path

from sftlib.core.errors import UsageError

DIST_INFO = re.compile(r"^(?P<name>.+?)-(?P<version>[^-]+)\.dist-info$")
PIN = re.compile(r"^(?P<name>[A-Za-z0-9._-]+)==(?P<version>[^\s;#]+)")
# Constraints files, and whether all that they pin must be installed.
FILES = (("data.txt", True), ("train.txt", False), ("ray.txt", False))


def check_environment(root: Path) -> None:
    """Raise `UsageError` unless the interpreter holds what `root/constraints` pins.

    Everything in `data.txt` must be installed; what `train.txt` and `ray.txt` pin must have that
    version where it is installed, since machines that only prepare data need no torch.
    """
    library = Path(__file__).resolve().parents[2]
    if library != root.resolve():
        raise UsageError(
            f"sftlib is imported from {library}, not from {root}: run stages from the root of "
            "the repository, as `dvc repro` does"
        )
    installed = installed_versions()
    faults = []
    for file, required in FILES:
        for name, version in pinned_versions(root / "constraints" / file).items():
            found = installed.get(name)
            if found is None and required:
                faults.append(f"{name} {version} is not installed")
            elif found is not None and found != version:
                faults.append(f"{name} is {found}, constraints/{file} pins {version}")
    if faults:
        shown = "\n  ".join(faults[:8])
        raise UsageError(
            f"{sys.executable} is not this project's environment:\n  {shown}\n"
            "run `make setup`, then `source .venv/bin/activate`"
        )


def installed_versions() -> dict[str, str]:
    """Name -> version of every distribution on `sys.path`, without a local label such as `+cpu`.

    Folder names are read instead of metadata files: 2 ms where importlib.metadata takes 150 ms.
    """
    found: dict[str, str] = {}
    for folder in map(Path, filter(None, sys.path)):
        for entry in folder.iterdir() if folder.is_dir() else ():
            match = DIST_INFO.match(entry.name)
            if match:
                found.setdefault(canonical(match["name"]), public_version(match["version"]))
    return found


def pinned_versions(path: Path) -> dict[str, str]:
    """Name -> version of the `name==version` lines of a constraints file."""
    lines = path.read_text(encoding="utf-8").splitlines()
    pins = (PIN.match(line) for line in lines)
    return {canonical(pin["name"]): public_version(pin["version"]) for pin in pins if pin}


def canonical(name: str) -> str:
    """The form in which names compare equal (PEP 503)."""
    return re.sub(r"[-_.]+", "-", name).lower()


def public_version(version: str) -> str:
    return version.split("+")[0]
