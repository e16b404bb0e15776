"""What was made of a shard before, outside all outputs: the same bytes are worked on once.

An entry is a folder of .sft/memo, named by a hash of all that its files depend on: the files, and
`manifest` with their hashes, what was returned, and its own hash in the first line. Entries appear
by a rename, so that builds at the same time disturb neither each other nor a reader.
"""

import hashlib
import os
import shutil
import tempfile
import time
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

import orjson

from sftlib.core.fingerprint import sha256_of

Json: TypeAlias = dict[str, Any]
Make: TypeAlias = Callable[[Sequence[Path]], Json]

# Below this making a shard costs no more than remembering it.
MIN_BYTES = 64 << 10
# After this no build is still writing an unfinished entry: it was killed.
LEFT_BEHIND_SECONDS = 86_400


@dataclass(frozen=True)
class Memo:
    """`basis` says what results depend on besides the bytes of a shard: code, params, versions."""

    folder: Path
    basis: str


def memoised(
    memo: Memo | None, name: str, inputs: Sequence[Path], outputs: Sequence[Path], make: Make
) -> Json:
    """What `make(outputs)` returns, with the files that it writes, from memory where it is there.

    `name` and the bytes of `inputs` identify the shard. `make` writes some or all of the paths
    that it is given, and no others. An entry that is damaged counts as absent.
    """
    if memo is None or sum(path.stat().st_size for path in inputs) < MIN_BYTES:
        return make(outputs)
    entry = memo.folder / key(memo.basis, name, inputs)
    found = recalled(entry, outputs)
    return remembered(entry, outputs, make) if found is None else found


def key(basis: str, name: str, inputs: Sequence[Path]) -> str:
    """64 hexadecimal digits of everything that a result depends on."""
    parts = [basis, name, *map(sha256_of, inputs)]
    return hashlib.sha256(orjson.dumps(parts)).hexdigest()


def recalled(entry: Path, outputs: Sequence[Path]) -> Json | None:
    """Copy the files of an entry to `outputs`; None when it is absent or not what was stored."""
    try:
        told, _, body = (entry / "manifest").read_bytes().partition(b"\n")
        if hashlib.sha256(body).hexdigest().encode() != told:
            return None
        manifest = orjson.loads(body)
        for number, stored in manifest["files"].items():
            if sha256_of(entry / number) != stored:
                return None
        copy_files(entry, manifest["files"], outputs)
        os.utime(entry)  # the latest used is forgotten last
    except FileNotFoundError:  # absent, or forgotten by another build just now
        return None
    result: Json = manifest["result"]
    return result


def copy_files(entry: Path, numbers: Iterable[str], outputs: Sequence[Path]) -> None:
    for number in numbers:
        output = outputs[int(number)]
        output.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(entry / number, output)


def remembered(entry: Path, outputs: Sequence[Path], make: Make) -> Json:
    """Make an entry, copy its files to `outputs`, then put it in place of an older one."""
    unfinished = entry.parent / "unfinished"
    unfinished.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=unfinished, ignore_cleanup_errors=True) as place:
        new = Path(place) / "entry"
        new.mkdir()
        paths = [new / str(number) for number in range(len(outputs))]
        result = make(paths)
        files = {path.name: sha256_of(path) for path in paths if path.exists()}
        body = orjson.dumps({"result": result, "files": files})
        told = hashlib.sha256(body).hexdigest().encode()
        (new / "manifest").write_bytes(told + b"\n" + body)
        copy_files(new, files, outputs)
        replace(new, entry, Path(place) / "damaged")
    return result


def replace(new: Path, entry: Path, aside: Path) -> None:
    """Rename `new` to `entry`; where another build does the same, either will do."""
    with suppress(FileNotFoundError):
        entry.rename(aside)
    try:
        new.rename(entry)
    except OSError:
        if not entry.is_dir():
            raise


def forget(folder: Path, max_bytes: int) -> None:
    """Remove the entries used longest ago, until those that stay take up at most `max_bytes`."""
    with suppress(FileNotFoundError):  # another build forgets at this moment
        used = 0
        entries = [path for path in folder.glob("*") if path.name != "unfinished"]
        for entry in sorted(entries, key=last_used, reverse=True):
            used += sum(file.stat().st_size for file in entry.glob("*"))
            if used > max_bytes:
                shutil.rmtree(entry)
        for left in folder.glob("unfinished/*"):
            if last_used(left) < time.time() - LEFT_BEHIND_SECONDS:
                shutil.rmtree(left)


def last_used(path: Path) -> float:
    return path.stat().st_mtime
