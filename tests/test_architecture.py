"""The layers of sftlib, and dependencies of stages that are exactly what they import."""

import ast
from pathlib import Path

import pytest
from conftest import ROOT
from ruamel.yaml import YAML

# Room -> the rooms of ours that it may import.
LAYERS = {
    "core": set(),
    "console": set(),
    "fetch": {"core"},
    "base": {"core"},
    "clean": {"core"},
    "curate": {"core"},
    "encode": {"core"},
    "compose": {"core", "encode", "train"},
    "train": {"core"},
    "score": {"core", "train"},
    "report": {"core", "clean"},
    "page": {"core", "console"},
    "cli": {"core", "console", "clean", "page", "report", "score", "train"},
}
WITHOUT_TORCH = ("core", "console", "fetch", "clean", "curate", "encode", "report", "page", "cli")
STAGES = sorted(path.stem for path in (ROOT / "stages").glob("[a-z]*.py"))


def imports(path: Path) -> set[str]:
    found = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            found.add(node.module)
    return found


def rooms(path: Path) -> set[str]:
    return {name.split(".")[1] for name in imports(path) if name.startswith("sftlib.")}


@pytest.mark.parametrize("room", sorted(LAYERS))
def test_layers(room: str) -> None:
    for file in (ROOT / "sftlib" / room).rglob("*.py"):
        assert rooms(file) <= LAYERS[room] | {room}, file
        if room in WITHOUT_TORCH:
            heavy = {name.split(".")[0] for name in imports(file)} & {"torch", "transformers"}
            assert not heavy, file


def test_every_room_has_a_layer() -> None:
    found = {path.parent.name for path in (ROOT / "sftlib").glob("*/__init__.py")}
    assert found == set(LAYERS)


@pytest.mark.parametrize("stage", STAGES)
def test_deps_are_the_import_closure(stage: str) -> None:
    graph = YAML(typ="safe").load(ROOT / "dvc.yaml")["stages"]
    definition = graph[stage].get("do", graph[stage])
    listed = {dep.split("/")[1] for dep in definition["deps"] if dep.startswith("sftlib/")}
    direct = rooms(ROOT / f"stages/{stage}.py")
    closure = direct.union(*(LAYERS[room] for room in direct)) - {"console"}
    assert listed == closure
    assert f"stages/{stage}.py" in definition["deps"]
    assert definition["cmd"].startswith(f"exec python -m stages.{stage}")
    assert definition["desc"]


def test_checkpoints_belong_to_all_that_training_depends_on() -> None:
    from stages.train import INPUTS

    graph = YAML(typ="safe").load(ROOT / "dvc.yaml")["stages"]
    assert sorted(INPUTS) == sorted(graph["train"]["deps"])


def test_no_stage_imports_another() -> None:
    for stage in STAGES:
        assert not any(name.startswith("stages") for name in imports(ROOT / f"stages/{stage}.py"))
