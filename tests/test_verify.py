"""`sft verify`: damage that DVC does not see is found, and the remedy that is printed mends it."""

import json
import os
import re
import shutil
from pathlib import Path

import pytest
from conftest import run
from ruamel.yaml import YAML

pytestmark = pytest.mark.slow
FILE = "data/curated/a/a.jsonl"


@pytest.fixture
def copy(built: Path, tmp_path: Path) -> Path:
    """A copy of the built project with a cache of its own, to be damaged."""
    return Path(shutil.copytree(built, tmp_path / "copy", symlinks=True))


def verify(project: Path) -> tuple[int, dict, str]:
    done = run(["python", "-m", "sftlib.cli", "verify", "--json"], project)
    return done.returncode, json.loads(done.stdout), done.stderr


def flip_a_byte(path: Path) -> None:
    """Change one bit, and leave size and time, by which DVC would notice."""
    before = path.stat()
    path.chmod(0o644)
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))


def object_of(project: Path, expected: str) -> Path:
    return project / ".dvc/cache/files/md5" / expected[:2] / expected[2:]


def follow_remedy(project: Path, fault: dict) -> None:
    (command,) = re.findall(r"^run `([^`]*)`$", fault["remedy"])
    done = run(["sh", "-c", command], project)
    assert done.returncode == 0, done.stderr


def test_a_sound_build(copy: Path) -> None:
    code, report, _ = verify(copy)
    assert (code, report["faults"]) == (0, [])
    done = run(["python", "-m", "sftlib.cli", "verify"], copy)
    size = f"{report['bytes'] / 1e6:.1f} MB"
    assert done.stdout == f"{report['files']} files, {size}: all are what dvc.lock says\n"


def test_a_flipped_byte_in_an_out(copy: Path) -> None:
    clean = "Data and pipelines are up to date.\n"
    assert run(["dvc", "status"], copy).stdout == clean
    flip_a_byte(copy / FILE)
    assert run(["dvc", "status"], copy).stdout == clean
    code, report, message = verify(copy)
    (fault,) = report["faults"]
    assert (code, fault["path"]) == (3, FILE)
    assert fault["remedy"] == "run `rm -rf data/curated && dvc checkout data/curated`"
    assert message == (
        "error: 1 file is not what dvc.lock says\n"
        f"  {FILE}: expected {fault['expected']}, found {fault['found']}; {fault['remedy']}\n"
    )
    follow_remedy(copy, fault)
    assert verify(copy)[0] == 0


def test_a_flipped_byte_in_the_cache(copy: Path) -> None:
    flip_a_byte(copy / FILE)
    expected = verify(copy)[1]["faults"][0]["expected"]
    shutil.rmtree(copy / "data/curated")
    assert run(["dvc", "checkout"], copy).returncode == 0
    flip_a_byte(object_of(copy, expected))
    code, report, _ = verify(copy)
    (fault,) = report["faults"]
    assert (code, fault["expected"]) == (3, expected)
    assert fault["path"] == f".dvc/cache/files/md5/{expected[:2]}/{expected[2:]}"
    follow_remedy(copy, fault)
    assert object_of(copy, expected).is_file()
    assert verify(copy)[0] == 0


def test_both_copies_damaged_are_built_again(copy: Path) -> None:
    flip_a_byte(copy / FILE)
    (fault,) = verify(copy)[1]["faults"]
    damaged = object_of(copy, fault["expected"])
    flip_a_byte(damaged)
    faults = verify(copy)[1]["faults"]
    assert len(faults) == 2
    for fault in faults:
        command, rest = re.findall(r"run `(rm [^`]*)`(.*)", fault["remedy"])[0]
        assert rest == ", and when all such are gone `dvc pull` or `dvc repro curate`"
        assert run(["sh", "-c", command], copy).returncode == 0
    assert run(["dvc", "repro", "curate"], copy).returncode == 0
    assert damaged.is_file()
    assert verify(copy)[0] == 0


def test_a_damaged_list_of_a_folder(copy: Path) -> None:
    outs = YAML(typ="safe").load(copy / "dvc.lock")["stages"]["curate"]["outs"]
    listing = object_of(copy, next(o["md5"] for o in outs if o["path"] == "data/curated"))
    flip_a_byte(listing)
    code, report, _ = verify(copy)
    (fault,) = report["faults"]
    assert (code, fault["path"]) == (3, listing.relative_to(copy).as_posix())
    follow_remedy(copy, fault)
    assert verify(copy)[0] == 0


def test_missing_and_foreign_files(copy: Path) -> None:
    (copy / FILE).unlink()
    (copy / "data/curated/left.jsonl").write_text("{}\n")
    (copy / "metrics/split.json").write_text("{}\n")
    faults = {fault["path"]: fault for fault in verify(copy)[1]["faults"]}
    assert set(faults) == {FILE, "data/curated/left.jsonl", "metrics/split.json"}
    assert faults[FILE]["found"] == "missing"
    assert faults["data/curated/left.jsonl"]["expected"] == "no such file"
    assert faults["metrics/split.json"]["remedy"] == (
        "run `git checkout metrics/split.json`, or `dvc repro split` to build it again"
    )


def test_data_added_by_dvc_is_verified_too(copy: Path) -> None:
    raw = copy / "data/raw/added.jsonl"
    raw.write_text('{"prompt": "a", "completion": "b"}\n')
    assert run(["dvc", "add", "-q", str(raw)], copy).returncode == 0
    flip_a_byte(raw)
    (fault,) = verify(copy)[1]["faults"]
    assert fault["path"] == "data/raw/added.jsonl"
    follow_remedy(copy, fault)
    assert raw.read_text().startswith('{"prompt"')


def test_before_the_first_build(project: Path) -> None:
    run(["dvc", "init", "-q"], project)
    code, report, _ = verify(project)
    assert code == 3
    faults = {fault["path"]: fault for fault in report["faults"]}
    assert faults["models/base"]["remedy"] == "run `dvc repro base`"
