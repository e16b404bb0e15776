"""Whether one build's model is better than another's, by the test rows that both answered."""

from typing import Any

from sftlib.cli.revision import Revision

ROWS = "data/evaluated/rows.jsonl"
# A bootstrap over fewer rows is too sure of itself.
MIN_ROWS = 10
# Figures without an interval: their values by row are not kept.
FIGURES = {
    "exact_match": ("evaluate", "tuned", "exact_match"),
    "rouge_l": ("evaluate", "tuned", "rouge_l"),
    "chrf": ("evaluate", "tuned", "chrf"),
    "validation loss": ("train", "validation", "loss"),
}


def compare_metrics(before: Revision, after: Revision) -> dict[str, Any]:
    """Paired comparison of the tuned models of two revisions that are built.

    rows: how many test rows are compared, and how many are not for being in one test split alone
    or for other labels, as after a change of the tokenizer or of its limits.
    """
    old, new = ({row["id"]: row for row in r.lines(ROWS)} for r in (before, after))
    common = sorted(old.keys() & new.keys())
    equal = [id for id in common if old[id]["labels"] == new[id]["labels"]]
    report: dict[str, Any] = {
        "rows": {
            "compared": len(equal),
            "only_before": len(old) - len(common),
            "only_after": len(new) - len(common),
            "other_labels": len(common) - len(equal),
        },
        "figures": {name: [figure(r, at) for r in (before, after)] for name, at in FIGURES.items()},
    }
    if equal:
        report |= judge([old[id] for id in equal], [new[id] for id in equal])
    return report


def judge(old: list[dict[str, Any]], new: list[dict[str, Any]]) -> dict[str, Any]:
    """Loss and accuracy per label of both models, the gain with its interval, and a verdict."""
    import numpy as np  # a tenth of a second, which no other command should wait for

    from sftlib.score.intervals import paired_gain

    labels = np.array([row["labels"] for row in old], dtype=float)
    report = {}
    for name, key, sign in (("loss", "loss_sum", -1.0), ("token_accuracy", "correct", 1.0)):
        was, now = (np.array([row["tuned"][key] for row in rows], float) for rows in (old, new))
        gain, bounds, verdict = paired_gain(sign * (now - was), labels)
        report[name] = {
            "before": float(was.sum() / labels.sum()),
            "after": float(now.sum() / labels.sum()),
            "gain": gain,
            "interval": bounds,
            "verdict": verdict if len(labels) >= MIN_ROWS else "not told apart",
        }
    return report


def figure(revision: Revision, at: tuple[str, ...]) -> float | None:
    """A number of a metrics file; None where this build has none, as without any answers."""
    value: Any = revision.metrics(at[0])
    for key in at[1:]:
        value = value.get(key, {})
    return value if isinstance(value, int | float) else None
