"""A number for each row that stands in for chance."""

import hashlib


def lot(id: str, purpose: str) -> float:
    """A number in [0, 1) that depends on the row's id and on what it is drawn for.

    >>> lot("a", "cap") == lot("a", "cap"), lot("a", "cap") == lot("a", "weight")
    (True, False)
    """
    raw = hashlib.blake2b(f"{purpose}:{id}".encode(), digest_size=8).digest()
    return (int.from_bytes(raw, "big") >> 11) / (1 << 53)
