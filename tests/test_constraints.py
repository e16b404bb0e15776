"""All that the extras pull in has one exact version, and installs are told all of them."""

import re
import tomllib
from collections.abc import Iterator
from importlib import metadata

import pytest
from conftest import ROOT
from packaging.requirements import Requirement

from sftlib.core.environment import canonical, pinned_versions

FILES = sorted(path.name for path in (ROOT / "constraints").glob("*.txt"))
PINS = [(name, file) for file in FILES for name in pinned_versions(ROOT / "constraints" / file)]
EXTRAS = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"]
APART = ("sftlib", "torch")  # ourselves; torch brings other packages in each of its builds


def pulled_in(requirements: list[str]) -> set[str]:
    """The packages of the requirements, and those that they require here in turn."""
    found: set[tuple[str, str]] = set()
    waiting = [(Requirement(text), "") for text in requirements]
    while waiting:
        requirement, extra = waiting.pop()
        if requirement.marker and not requirement.marker.evaluate({"extra": extra}):
            continue
        name = canonical(requirement.name)
        for wanted in ("", *requirement.extras):
            if name not in APART and (name, wanted) not in found:
                found.add((name, wanted))
                waiting += [(inner, wanted) for inner in requires(name)]
    return {name for name, _ in found}


def requires(name: str) -> Iterator[Requirement]:
    """What the installed package asks for."""
    yield from map(Requirement, metadata.requires(name) or ())


@pytest.mark.parametrize("extra", ["train", "remotes", "tune", "serve", "ray", "dev"])
def test_all_that_an_extra_pulls_in_is_pinned(extra: str) -> None:
    pinned = {name for name, _ in PINS}
    assert pulled_in(EXTRAS[extra]) - pinned == set()


def test_a_package_is_pinned_once() -> None:
    names = [name for name, _ in PINS]
    assert sorted(names) == sorted(set(names))


@pytest.mark.parametrize("file", ["README.md", "README.zh-CN.md", "Makefile"])
def test_installs_are_told_all_files(file: str) -> None:
    text = (ROOT / file).read_text(encoding="utf-8")
    if file == "Makefile":
        (listed,) = re.findall(r"addprefix constraints/,(.*)\)", text)
        assert sorted(listed.split()) == FILES
    else:
        assert sorted(re.findall(r"-c constraints/(\S+)", text)) == FILES
