"""README.zh-CN.md says what README.md says: commands, figures, names and paths are the same."""

import re
from collections import Counter

import pytest
from conftest import ROOT

FILES = ("README.md", "README.zh-CN.md")
ENGLISH, CHINESE = ((ROOT / name).read_text(encoding="utf-8").split("\n## ") for name in FILES)
SECTIONS = list(zip(ENGLISH, CHINESE, strict=True))
NUMBER = re.compile(r"\d(?:[\d.,:%]*[\d%])?")
HAN = re.compile("[一-鿿]")


def indented(section: str) -> list[str]:
    return [line for line in section.splitlines() if line.startswith("    ")]


def code(section: str) -> list[str]:
    return [line.split("#")[0].rstrip() for line in indented(section)]


def comments(section: str) -> list[str]:
    return [line.split("#")[1] for line in indented(section) if "#" in line]


def rows(section: str) -> list[list[str]]:
    """The cells of the rows of tables, without the head and the line below it."""
    lines = [line for line in section.splitlines() if line.startswith("|")]
    return [[cell.strip() for cell in line.split("|")[1:-1]] for line in lines[2:]]


def paths(tree: str) -> list[str]:
    """The first column of the tree, which ends before two spaces."""
    return [line.split("  ")[2] for line in indented(tree) if line[4] != " "]


def test_each_links_to_the_other() -> None:
    assert ENGLISH[0].splitlines()[2] == "English | [简体中文](README.zh-CN.md)"
    assert CHINESE[0].splitlines()[2] == "[English](README.md) | 简体中文"


def test_headings() -> None:
    assert len(SECTIONS) == 6
    marks = [re.findall("^#+ ", "\n".join(text), re.MULTILINE) for text in (ENGLISH, CHINESE)]
    assert marks[0] == marks[1]
    assert all(HAN.search(section.splitlines()[0]) for section in CHINESE[1:])


def test_commands_are_the_same_and_their_comments_are_translated() -> None:
    for english, chinese in SECTIONS[:-1]:
        assert code(english) == code(chinese)
        assert len(comments(english)) == len(comments(chinese))
        assert all(HAN.search(comment) for comment in comments(chinese))
    assert sum(len(code(section)) for section in ENGLISH[:-1]) > 20


def test_figures_of_the_default_build_are_the_same() -> None:
    assert rows(ENGLISH[1]) == rows(CHINESE[1])
    assert len(rows(ENGLISH[1])) == 6
    assert Counter(NUMBER.findall(ENGLISH[1])) == Counter(NUMBER.findall(CHINESE[1]))


@pytest.mark.parametrize("english, chinese", SECTIONS)
def test_names_are_the_same(english: str, chinese: str) -> None:
    names = [Counter(re.findall("`([^`]+)`", section)) for section in (english, chinese)]
    assert names[0] == names[1]
    firsts = [[row[0] for row in rows(section)] for section in (english, chinese)]
    assert firsts[0] == firsts[1]


def test_trees_are_the_same_and_their_paths_exist() -> None:
    named = paths(ENGLISH[-1])
    assert named == paths(CHINESE[-1])
    assert len(named) > 20
    built = ("metrics/", "plots/")
    places = [place for line in named for place in line.split(", ") if place not in built]
    pages = re.findall("`(docs/[^`]+)`", "\n".join(ENGLISH))
    assert [place for place in (*places, *pages) if not (ROOT / place).exists()] == []
