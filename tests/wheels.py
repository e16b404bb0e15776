"""Small wheels for tests, and a copy of the project to run stages in."""

import hashlib
import re
import shutil
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]


def build_wheel(
    folder: Path, files: dict[str, bytes], version: str = "1.0", link: str | None = None
) -> str:
    """Write corpus-VERSION-py3-none-any.whl; returns its SHA-256. `link` names a symlink entry."""
    folder.mkdir(parents=True, exist_ok=True)
    info = f"corpus-{version}.dist-info"
    path = folder / f"corpus-{version}-py3-none-any.whl"
    metadata = {
        f"{info}/METADATA": f"Metadata-Version: 2.1\nName: corpus\nVersion: {version}\n".encode(),
        f"{info}/WHEEL": b"Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
        f"{info}/RECORD": b"",
    }
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in {**files, **metadata}.items():
            entry = zipfile.ZipInfo(name)
            entry.external_attr = (0o120777 if name == link else 0o100644) << 16
            archive.writestr(entry, data)
    return hashlib.sha256(path.read_bytes()).hexdigest()


def use_index(monkeypatch: pytest.MonkeyPatch, folder: Path) -> None:
    """Have pip find wheels in `folder` and nowhere else."""
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(folder))
    monkeypatch.setenv("PIP_CONFIG_FILE", "/dev/null")


def copy_project(folder: Path, section: str, entry: str) -> Path:
    """The library, the stages and params.yaml whose `section` is `entry`; no pinned packages."""
    for name in ("sftlib", "stages"):
        shutil.copytree(ROOT / name, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
    (folder / "constraints").mkdir()
    for name in ("data.txt", "train.txt"):
        (folder / "constraints" / name).write_text("")
    text = (ROOT / "params.yaml").read_text(encoding="utf-8")
    text = re.sub(rf"(?m)^{section}:\n(?:  .*\n)+", lambda _: entry, text)
    (folder / "params.yaml").write_text(text, encoding="utf-8")
    return folder
