"""Which rows share a pack, so that the model always works on about as many tokens."""

from bisect import bisect_left, insort

import numpy as np

# Rows whose lengths differ by less count as equally long, so that length alone never pairs rows.
BUCKET_TOKENS = 16


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


def by_length(lengths: list[int], capacity: int) -> list[int]:
    """The pack of each row where rows are padded to the longest: rows of about equal length.

    No pack is larger than `capacity` with its padding, but for a single row. Rows of about one
    length are mixed by a lot that never changes: neighbours in a source are often of one class.

    >>> by_length([30, 3, 31, 2, 4], capacity=62)
    [1, 0, 1, 0, 0]
    """
    mixed = np.random.default_rng(0).permutation(len(lengths)).tolist()
    order = sorted(mixed, key=lambda row: -(-lengths[row] // BUCKET_TOKENS))
    packs, pack, count, longest = [0] * len(lengths), 0, 0, 0
    for row in order:
        longest = max(longest, lengths[row])
        if count and longest * (count + 1) > capacity:
            pack, count, longest = pack + 1, 0, lengths[row]
        packs[row] = pack
        count += 1
    return packs
