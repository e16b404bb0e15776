"""Download a source distribution without running its setup.py, as pip would.

The archive comes from the simple indexes that pip is configured for.
"""

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import requests
from pypi_simple import NoSuchProjectError, PyPISimple

from sftlib.fetch.archive import SDIST
from sftlib.fetch.uri import PackageUri

# A page that is no index is a ValueError of the library.
FAILURES = (NoSuchProjectError, requests.RequestException, ValueError)


def download_sdist(uri: PackageUri, place: Path) -> Path | None:
    """The archive of `uri` in the folder `place`, or None where no index has one."""
    for client in indexes(pip_settings()):
        try:
            for package in client.get_project_page(uri.name).packages:
                is_wanted = package.package_type == "sdist" and package.version == uri.version
                if is_wanted and package.filename.endswith(SDIST):
                    target = place / f"sdist{SDIST}"
                    client.download_package(package, target, verify=False)  # params have its hash
                    return target
        except FAILURES:
            continue  # another index may have it
    return None


def indexes(settings: dict[str, str]) -> Iterator[PyPISimple]:
    """Where pip would look, without folders; the library's default is pip's."""
    if "no-index" in settings:
        return
    session = requests.Session()
    session.verify = settings.get("cert", True)
    main = settings.get("index-url")
    yield PyPISimple(main, session=session) if main else PyPISimple(session=session)
    for extra in settings.get("extra-index-url", "").split():
        if extra.startswith(("https:", "http:")):
            yield PyPISimple(extra, session=session)


def pip_settings() -> dict[str, str]:
    """pip's settings by name, wherever they stand: in the environment, then in files."""
    command = [sys.executable, "-m", "pip", "config", "list"]
    done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True)
    found: dict[str, str] = {}
    for line in sorted(done.stdout.splitlines()):  # those of the environment, :env:, come first
        key, is_setting, value = line.partition("=")
        section, _, name = key.rpartition(".")
        if is_setting and section in (":env:", "global", "download"):
            found.setdefault(name, str(ast.literal_eval(value)))
    return found
