"""docs/drop-reasons.md has every reason for which the code drops a row, and no other."""

import ast
import re
from collections.abc import Iterator

from conftest import ROOT

from sftlib.clean.reasons import Reason, Removal

ROW = re.compile(r"^\| ([a-z, ]+) \| `(\w+)` \| [^|]+ \| [^|]+ \|$", re.MULTILINE)
LISTED = ROW.findall((ROOT / "docs/drop-reasons.md").read_text())
# Whose folder drops for whom; splits are made in the room of curate.
ROOMS = {"curate": {"curate", "split"}, "compose": {"compose", "compose, augmented"}}
ROOMS["encode"] = {"tokenize"}


def dropped_in(room: str) -> Iterator[ast.expr]:
    """The reasons in calls of `Drop` and `Duplicate`."""
    for file in (ROOT / "sftlib" / room).rglob("*.py"):
        for node in ast.walk(ast.parse(file.read_text())):
            if isinstance(node, ast.Call) and ast.unparse(node.func) in ("Drop", "Duplicate"):
                yield node.args[0]


def listed(stages: set[str]) -> list[str]:
    return sorted(reason for stage, reason in LISTED if stage in stages)


def test_reasons_of_cleaning() -> None:
    assert listed({"clean, faulty"}) == sorted(Reason)
    assert listed({"clean, operator"}) == sorted(Removal)
    for reason in dropped_in("clean"):  # none but those of the two sets, or of another drop
        assert not isinstance(reason, ast.Constant), ast.unparse(reason)


def test_reasons_of_the_other_stages() -> None:
    for room, stages in ROOMS.items():
        found = set()
        for reason in dropped_in(room):
            assert isinstance(reason, ast.Constant), ast.unparse(reason)
            found.add(reason.value)
        assert listed(stages) == sorted(found)


def test_no_other_room_drops_rows() -> None:
    rooms = {path.parent.name for path in (ROOT / "sftlib").glob("*/__init__.py")}
    assert {room for room in rooms if list(dropped_in(room))} == {"clean", *ROOMS}


def test_every_line_of_the_table_is_read() -> None:
    stages = {"clean, faulty", "clean, operator"}.union(*ROOMS.values())
    lines = (ROOT / "docs/drop-reasons.md").read_text().count("\n| ")
    assert len(LISTED) == lines - 1  # its head
    assert {stage for stage, _ in LISTED} == stages


def test_params_that_remedies_name_exist() -> None:
    from sftlib.core.params import load_params

    params = load_params(ROOT / "params.yaml")
    text = (ROOT / "docs/drop-reasons.md").read_text()
    named = re.findall(r"`(clean|curate|split|compose|tokenize)\.(\w+)", text)
    assert len(named) > 10
    assert [key for section, key in named if not hasattr(getattr(params, section), key)] == []
