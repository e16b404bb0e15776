"""The near-duplicate step alone: `python -m benchmarks.near WORDS ANSWER`, as a process.

The answer is {"kept": row numbers, "after_imports": CPU seconds}.
"""

import json
import resource
import sys
from pathlib import Path

import numpy as np
import orjson

from sftlib.core.rows import batched
from sftlib.curate.clusters import Clusters, Rows
from sftlib.curate.grams import gram_hashes
from sftlib.curate.near import drop_near, join_near
from sftlib.curate.sets import gram_sets

THRESHOLD, NGRAM = 0.8, 3
ROWS_PER_BATCH = 2000


def kept_rows(file: Path) -> Rows:
    """The rows that stay, as curate decides on them, the first of a file being the best."""
    hashes, counts = [], []
    with file.open("rb") as lines:
        for batch in batched(lines, ROWS_PER_BATCH):
            grams, each = gram_hashes([orjson.loads(line)["text"] for line in batch], NGRAM)
            hashes.append(grams)
            counts.append(each)
    rows = np.arange(sum(map(len, counts)))
    sets, clusters = gram_sets(hashes, counts, rows), Clusters(len(rows))
    join_near(sets, THRESHOLD, clusters)
    dropped, _, _ = drop_near(sets, THRESHOLD, clusters.roots, rows)
    return np.setdiff1d(rows, dropped)


def cpu_seconds() -> float:
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


if __name__ == "__main__":
    started = cpu_seconds()
    kept = kept_rows(Path(sys.argv[1])).tolist()
    answer = {"kept": kept, "after_imports": cpu_seconds() - started}
    Path(sys.argv[2]).write_text(json.dumps(answer))
