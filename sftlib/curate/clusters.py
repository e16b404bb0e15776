"""Sets of rows that belong together (disjoint sets), joined by whole arrays of pairs."""

import numpy as np
from numpy.typing import NDArray

Rows = NDArray[np.int64]


class Clusters:
    """Rows 0..count-1, each alone at first.

    `roots[row]` is the first row of its cluster: rows of equal root belong together.
    """

    def __init__(self, count: int) -> None:
        self.roots: Rows = np.arange(count)

    def join(self, a: Rows, b: Rows) -> None:
        """Unite the clusters of a[i] and b[i], for every i.

        Every root takes the smallest root that it is paired with, then chains are cut short, until
        nothing changes (Shiloach and Vishkin, 1982).
        """
        while True:
            left, right = self.roots[a], self.roots[b]
            apart = left != right
            if not apart.any():
                return
            a, b, left, right = a[apart], b[apart], left[apart], right[apart]
            np.minimum.at(self.roots, np.maximum(left, right), np.minimum(left, right))
            while (self.roots[self.roots] != self.roots).any():
                self.roots = self.roots[self.roots]

    def join_equal(self, values: NDArray[np.uint64]) -> None:
        """Unite rows of equal value; values [count]."""
        order = np.argsort(values, kind="stable")
        same = np.flatnonzero(values[order[1:]] == values[order[:-1]])
        self.join(order[same], order[same + 1])

    def count(self) -> int:
        """How many clusters there are."""
        return int((self.roots == np.arange(len(self.roots))).sum())
