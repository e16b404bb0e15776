"""How right a system is: `python -m benchmarks.judge PAIRS ANSWER ROWS` prints it as JSON."""

import json
import sys
from pathlib import Path

import numpy as np
from numpy.typing import NDArray


def judge(pairs: NDArray[np.int64], kept: NDArray[np.int64], rows: int) -> dict[str, float]:
    """Recall and precision by row of a system that keeps the rows `kept`; pairs (a, b), a < b.

    A dropped row is right when it is near to any row: which row of a pair is kept does not matter.
    Missing is each row that was kept although an earlier one that is near to it was.
    """
    stays = np.zeros(rows, bool)
    stays[kept] = True
    near = np.zeros(rows, bool)
    near[pairs.ravel()] = True
    right = int((near & ~stays).sum())
    missing = len(np.unique(pairs[stays[pairs].all(axis=1), 1]))
    dropped = rows - int(stays.sum())
    return {
        "rows dropped": dropped,
        "recall": right / (right + missing) if right + missing else 1.0,
        "precision": right / dropped if dropped else 1.0,
    }


def main(pairs: Path, answer: Path, rows: int) -> None:
    told = json.loads(answer.read_text())
    found = judge(np.load(pairs), np.array(told["kept"], np.int64), rows)
    print(json.dumps({"cpu_seconds after imports": told["after_imports"], **found}))


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]), int(sys.argv[3]))
