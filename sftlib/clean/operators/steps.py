"""The two kinds of operator, prepared from their params: mends of texts and checks of rows."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple, TypeAlias

from sftlib.clean.operators.view import View
from sftlib.core.tally import Drop


class Verdict(NamedTuple):
    """What a check says of a row: why to drop it, or what to note of it; mostly neither."""

    drop: Drop | None = None
    flags: tuple[str, ...] = ()
    language: str | None = None


PASS = Verdict()


def never(view: View) -> bool:
    return False


@dataclass(frozen=True, slots=True)
class Mend:
    """Changes texts one by one: those of `roles` (None: all), in rows that it does not spare."""

    name: str
    mend: Callable[[str], str]
    roles: tuple[str, ...] | None = None
    spares: Callable[[View], bool] = never


@dataclass(frozen=True, slots=True)
class Check:
    """Judges a row as a whole and changes nothing."""

    name: str
    judge: Callable[[View], Verdict]


Step: TypeAlias = Mend | Check


def dropping(name: str, find: Callable[[View], Drop | None]) -> Check:
    """A check that only drops."""

    def judge(view: View) -> Verdict:
        drop = find(view)
        return Verdict(drop) if drop else PASS

    return Check(name, judge)
