"""Rows that cover the data: each next one is the farthest from those already chosen.

Source: greedy k-centre, Sener and Savarese, "Active Learning for Convolutional Neural Networks: A
Core-Set Approach" (arXiv 1708.00489).
"""

from pathlib import Path

import numpy as np

from sftlib.compose.amounts import Row, drawn
from sftlib.compose.embeddings import embed
from sftlib.core.params import Train
from sftlib.core.records import record_from_json, record_text


def farthest_first(rows: list[Row], count: int, model: Path, train: Train) -> set[str]:
    """Ids of `count` rows, by cosine distance of their embeddings; the first is drawn by lot."""
    if not rows:
        return set()
    vectors = embed([record_text(record_from_json(row)) for row in rows], model, train)
    numbers = {row["id"]: number for number, row in enumerate(rows)}
    newest = numbers[drawn(rows, "diverse")[0]["id"]]
    chosen, nearest = [newest], np.full(len(rows), -np.inf)
    while len(chosen) < min(count, len(rows)):
        nearest = np.maximum(nearest, vectors @ vectors[newest])
        nearest[chosen] = np.inf
        newest = int(nearest.argmin())
        chosen.append(newest)
    return {rows[number]["id"] for number in chosen}
