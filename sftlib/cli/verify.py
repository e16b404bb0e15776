"""`sft verify`: hash what is on disk again, and compare it with dvc.lock.

DVC trusts the time and size of a file: a byte that flipped in the cache comes back with every
checkout, and `dvc status` finds nothing to do.
"""

import os
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from pathlib import Path

import orjson
from rich.console import Console

from sftlib.cli.claims import MISSING, UNBUILT, Claim, claims_of_repository, shown_path
from sftlib.console.printable import printable
from sftlib.core.errors import DataError


@dataclass(frozen=True)
class Fault:
    """A file that is not what dvc.lock says."""

    path: str
    expected: str
    found: str
    remedy: str


def print_verify(as_json: bool) -> None:
    """Hash all outs and their cache objects; raises `DataError` that names every bad file."""
    root = Path.cwd()
    claims = claims_of_repository(root)
    with ThreadPoolExecutor(os.cpu_count()) as pool:  # hashlib lets other threads run
        hashes = list(pool.map(found_hash, claims))
    faults = find_faults(claims, hashes, root)
    present = [c.path for c, found in zip(claims, hashes, strict=True) if found != MISSING]
    size = sum(path.stat().st_size for path in present if path.is_file())
    if as_json:
        report = {"files": len(present), "bytes": size, "faults": [asdict(f) for f in faults]}
        print(orjson.dumps(report).decode())
    if faults:
        files = "1 file is" if len(faults) == 1 else f"{len(faults)} files are"
        lines = [f"{files} not what dvc.lock says", *map(fault_line, faults)]
        raise DataError("\n".join(lines))
    if not as_json:
        note = f"{len(present)} files, {size / 1e6:.1f} MB: all are what dvc.lock says"
        Console(highlight=False).print(note)


def fault_line(fault: Fault) -> str:
    return printable(
        f"  {fault.path}: expected {fault.expected}, found {fault.found}; {fault.remedy}"
    )


def found_hash(claim: Claim) -> str:
    """The hash of what lies at the claim's path."""
    from dvc_data.hashfile.hash import file_md5

    try:
        return str(file_md5(str(claim.path), name=claim.algorithm))
    except FileNotFoundError:
        return MISSING
    except IsADirectoryError:
        return "other files"


def find_faults(claims: list[Claim], hashes: list[str], root: Path) -> list[Fault]:
    """The claims that do not hold, each with what mends the out that it belongs to."""
    pairs = list(zip(claims, hashes, strict=True))
    wrong = [(claim, found) for claim, found in pairs if found != claim.expected]
    incomplete = {c.out for c, found in wrong if c.kind == "object" and found == MISSING}
    wrong = [(c, found) for c, found in wrong if not (c.kind == "object" and found == MISSING)]
    bad_outs = {claim.out for claim, _ in wrong if claim.kind != "object"}
    bad_objects = {claim.out for claim, _ in wrong if claim.kind == "object"}
    faults = []
    for claim, found in wrong:
        path = shown_path(claim.path, root)
        mended = remedy(
            claim, path, claim.out in bad_outs, claim.out in bad_objects, claim.out in incomplete
        )
        faults.append(Fault(path, claim.expected, found, mended))
    return faults


def remedy(claim: Claim, path: str, bad_out: bool, bad_object: bool, incomplete: bool) -> str:
    """What to do, by which of the two copies of an out is sound."""
    out, stage = claim.out, claim.stage
    if claim.expected == UNBUILT:
        return f"run `dvc repro {stage}`"
    if claim.kind == "git":
        return f"run `git checkout {out}`, or `dvc repro {stage}` to build it again"
    if not bad_out:
        return f"run `rm -f {path} && dvc commit -f {stage}`"
    if bad_object:
        gone = path if claim.kind == "object" else out
        return f"run `rm -rf {gone}`, and when all such are gone `dvc pull` or `dvc repro {stage}`"
    if incomplete:
        return f"run `rm -rf {out} && dvc pull {out}`, or `dvc repro {stage}` without a remote"
    return f"run `rm -rf {out} && dvc checkout {out}`"
