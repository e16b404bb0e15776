"""All pairs of rows whose Jaccard index of word 3-grams reaches 0.8: the truth to judge by.

`python -m benchmarks.exact WORDS PAIRS` reads words.jsonl and writes the pairs, .npy [pairs, 2].

Shares no code with sftlib/curate and hashes nothing: words are numbered by a dict, a gram is its
three numbers side by side in 64 bits, and rows are a sparse matrix of rows by grams. Two rows that
reach 0.8 have at least 0.8 of the grams of either in common, so they share one of the rarest fifth;
pairs that do come out of a product of that part of the matrix with itself (an inverted index), and
are then compared gram by gram.
"""

import sys
from collections.abc import Iterator
from itertools import count
from pathlib import Path
from typing import Any

import numpy as np
import orjson
from numpy.typing import NDArray
from scipy.sparse import csr_array

THRESHOLD = 0.8
NGRAM = 3
WORD_BITS = 21  # three words fill 63 of 64 bits
ROWS_PER_PRODUCT = 4000
PAIRS_PER_BATCH = 50_000


def gram_matrix(texts: Iterator[str]) -> csr_array:
    """Rows by grams, 1 where a row has a gram; the grams of a row stand rarest first."""
    numbers: dict[str, int] = {}
    fresh = count(1)  # 0 stands for no word in the one gram of a text of fewer than three
    rows = []
    for text in texts:
        found = [
            numbers.get(word) or numbers.setdefault(word, next(fresh)) for word in text.split()
        ]
        rows.append(row_grams(np.array(found, np.int64)))
    assert len(numbers) < 1 << WORD_BITS
    ends = np.cumsum([0, *map(len, rows)])
    grams, ids, frequency = np.unique(np.concatenate(rows), return_inverse=True, return_counts=True)
    rows.clear()
    ranks = np.empty(len(grams), np.int32)
    ranks[np.argsort(frequency, kind="stable")] = np.arange(len(grams), dtype=np.int32)
    shape = (len(ends) - 1, len(grams))
    matrix = csr_array((np.ones(len(ids), np.int16), ranks[ids], ends), shape)
    matrix.sort_indices()
    return matrix


def row_grams(words: NDArray[np.int64]) -> NDArray[np.int64]:
    """The different grams of a row, each as one number."""
    if 0 < len(words) < NGRAM:
        words = np.append(words, np.zeros(NGRAM - len(words), np.int64))
    last = len(words) - NGRAM + 1
    grams = np.zeros(max(last, 0), np.int64)
    for offset in range(NGRAM):
        grams = (grams << WORD_BITS) | words[offset : offset + len(grams)]
    return np.unique(grams)


def near_pairs(matrix: csr_array) -> NDArray[np.int64]:
    """(a, b), a < b, of all rows alike."""
    found = [compared(matrix, pairs) for pairs in candidates(matrix)]
    return np.concatenate([np.zeros((0, 2), np.int64), *found])


def candidates(matrix: csr_array) -> Iterator[NDArray[np.int64]]:
    """Pairs of rows that share one of their rarest grams."""
    rare = rarest(matrix)
    turned = rare.T.tocsr()
    for start in range(0, rare.shape[0], ROWS_PER_PRODUCT):
        common = (rare[start : start + ROWS_PER_PRODUCT] @ turned).tocoo()
        a, b = common.row.astype(np.int64) + start, common.col.astype(np.int64)
        pairs = np.column_stack([a, b])[a < b]
        for first in range(0, len(pairs), PAIRS_PER_BATCH):
            yield pairs[first : first + PAIRS_PER_BATCH]


def rarest(matrix: csr_array) -> csr_array:
    """Of n grams of a row those n - ceil(0.8 n) + 1 which are the rarest."""
    sizes = np.diff(matrix.indptr)
    wanted = np.minimum(sizes, sizes - np.ceil(THRESHOLD * sizes - 1e-9).astype(np.int64) + 1)
    places = np.arange(matrix.nnz) - np.repeat(matrix.indptr[:-1], sizes)
    chosen = places < np.repeat(wanted, sizes)
    ends = np.cumsum([0, *wanted])
    return csr_array((matrix.data[chosen], matrix.indices[chosen], ends), matrix.shape)


def compared(matrix: csr_array, pairs: NDArray[np.int64]) -> NDArray[np.int64]:
    """Those of `pairs` that reach the threshold."""
    a, b = pairs.T
    common = matrix[a].multiply(matrix[b]).sum(axis=1)
    sizes = np.diff(matrix.indptr)
    return pairs[common / (sizes[a] + sizes[b] - common) >= THRESHOLD]


def read_texts(file: Path) -> Iterator[str]:
    with file.open("rb") as lines:
        for line in lines:
            yield orjson.loads(line)["text"]


def main(texts: Path, out: Path) -> None:
    matrix: Any = gram_matrix(read_texts(texts))
    np.save(out, near_pairs(matrix))


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
