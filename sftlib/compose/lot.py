"""Numbers that stand in for chance: they depend on a row's id and on what they are drawn for."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TypeVar

T = TypeVar("T")


def lot(id: str, purpose: str) -> float:
    """A number in [0, 1) that depends on the row's id and on what it is drawn for.

    >>> lot("a", "cap") == lot("a", "cap"), lot("a", "cap") == lot("a", "weight")
    (True, False)
    """
    raw = hashlib.blake2b(f"{purpose}:{id}".encode(), digest_size=8).digest()
    return (int.from_bytes(raw, "big") >> 11) / (1 << 53)


@dataclass(frozen=True, slots=True)
class Draw:
    """Lots for one copy of the row `id`; `what` tells those of one copy apart."""

    id: str
    purpose: str
    copy: int

    def at(self, turn: int) -> "Draw":
        """The lots for one turn of a conversation."""
        return replace(self, purpose=f"{self.purpose}:{turn}")

    def of_row(self, what: str) -> float:
        """A number that all copies of the row share."""
        return lot(self.id, f"{self.purpose}:{what}")

    def number(self, what: str) -> float:
        return lot(self.id, f"{self.purpose}:{self.copy}:{what}")

    def pick(self, options: Sequence[T], what: str) -> T:
        """One of `options`, of which there is at least one."""
        return options[int(self.number(what) * len(options))]

    def some(self, options: Sequence[int], count: int, what: str) -> list[int]:
        """`count` of the numbers in `options`, or all of them."""
        order = sorted(options, key=lambda option: (self.number(f"{what}:{option}"), option))
        return order[:count]
