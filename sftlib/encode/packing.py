"""Which rows share a pack, so that the model always works on about as many tokens."""

from bisect import bisect_left, insort


def best_fit(lengths: list[int], capacity: int) -> list[int]:
    """The pack of each row: longest first, each into the fullest pack that still has room.

    Source: best-fit decreasing, D. S. Johnson (1973); for packing text, Ding et al., "Fewer
    Truncations Improve Language Modeling" (arXiv 2404.10830).

    >>> best_fit([5, 3, 4, 2], capacity=8)
    [0, 0, 1, 1]
    """
    packs = [0] * len(lengths)
    room: list[tuple[int, int]] = []  # (free tokens, pack), ascending
    count = 0
    for row in sorted(range(len(lengths)), key=lambda row: (-lengths[row], row)):
        at = bisect_left(room, (lengths[row], 0))
        if at < len(room):
            free, pack = room.pop(at)
        else:
            free, pack, count = capacity, count, count + 1
        packs[row] = pack
        insort(room, (free - lengths[row], pack))
    return packs
