"""The two kinds of operator, prepared from their params: mends of texts and checks of rows."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple, TypeAlias

from sftlib.clean.operators.view import View
from sftlib.core.tally import Drop


class Verdict(NamedTuple):
    """What a check notes of a row, and perhaps why to drop it all the same."""

    drop: Drop | None = None
    flags: tuple[str, ...] = ()
    language: str | None = None


def never(view: View) -> bool:
    return False


@dataclass(frozen=True, slots=True)
class Mend:
    """Changes texts one by one: those of `roles` (None: all), in rows that it does not spare.

    Nothing happens to ASCII where `to_ascii` is false.
    """

    name: str
    mend: Callable[[str], str]
    roles: tuple[str, ...] | None = None
    spares: Callable[[View], bool] = never
    to_ascii: bool = True


@dataclass(frozen=True, slots=True)
class Check:
    """Judges a row as a whole and changes nothing; None is no objection."""

    name: str
    judge: Callable[[View], Verdict | Drop | None]


Step: TypeAlias = Mend | Check
