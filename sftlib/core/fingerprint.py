"""One hash of everything that a result depends on."""

import hashlib
from collections.abc import Iterable
from pathlib import Path


def fingerprint(root: Path, paths: Iterable[str], choices: str) -> str:
    """32 hexadecimal digits of the files at `paths` (names and bytes) and of `choices`."""
    total = hashlib.blake2b(choices.encode(), digest_size=16)
    for path in paths:
        for file in files_below(root / path):
            name = file.relative_to(root).as_posix().encode()
            total.update(len(name).to_bytes(8, "big") + name)
            total.update(bytes.fromhex(sha256_of(file)))
    return total.hexdigest()


def sha256_of(file: Path) -> str:
    """64 hexadecimal digits of the bytes of a file, of which little is held in memory."""
    with file.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def files_below(path: Path) -> list[Path]:
    if path.is_file():
        return [path]
    return sorted(p for p in path.rglob("*") if p.is_file() and "__pycache__" not in p.parts)
