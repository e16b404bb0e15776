"""Which labels were taken for which, as a table whose cells are darker the more there are."""

from typing import Any

CLASSES = 20


def confusion_table(confusion: dict[str, Any]) -> dict[str, Any]:
    """{names, lines, left_out, errors}: the matrix of the most frequent labels, and what is wrong.

    A line is (actual, [{labels, share, right}]); share is that of the labels of its class.
    errors: the most frequent mistakes, of all labels.
    """
    counts = {(p["actual"], p["predicted"]): p["labels"] for p in confusion["pairs"]}
    names = sorted(confusion["names"], key=lambda n: (-labels_of(counts, n), n))
    shown = sorted(names[:CLASSES])
    wrong = [pair for pair in confusion["pairs"] if pair["actual"] != pair["predicted"]]
    return {
        "names": shown,
        "lines": [(name, line(counts, name, shown)) for name in shown],
        "left_out": len(names) - len(shown),
        "errors": sorted(wrong, key=lambda p: (-p["labels"], p["actual"], p["predicted"]))[:10],
    }


def labels_of(counts: dict[tuple[str, str], int], name: str) -> int:
    return sum(n for (actual, _), n in counts.items() if actual == name)


def line(counts: dict[tuple[str, str], int], actual: str, shown: list[str]) -> list[dict[str, Any]]:
    total = labels_of(counts, actual) or 1
    return [
        {
            "labels": counts.get((actual, predicted), 0),
            "share": counts.get((actual, predicted), 0) / total,
            "right": actual == predicted,
        }
        for predicted in shown
    ]
