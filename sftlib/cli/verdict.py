"""Whether one build's model is better than another's, by the test rows that both answered."""

from collections.abc import Collection, Iterable, Sequence
from typing import Any, TypeAlias

from sftlib.cli.revision import Revision
from sftlib.page.figures import MIN_ROWS

ROWS = "data/evaluated/rows.jsonl"
Rows: TypeAlias = dict[str, dict[str, Any]]
# Figures without an interval: their values by row are not kept.
FIGURES = {
    "exact_match": ("evaluate", "tuned", "exact_match"),
    "rouge_l": ("evaluate", "tuned", "rouge_l"),
    "chrf": ("evaluate", "tuned", "chrf"),
    "macro_f1": ("evaluate", "tuned", "macro_f1"),
    "entity_f1": ("evaluate", "tuned", "entity_f1"),
    "pearson": ("evaluate", "tuned", "pearson"),
    "validation loss": ("train", "validation", "loss"),
}


def compare_metrics(
    before: Revision, after: Revision, others: Sequence[Revision], used: Collection[str]
) -> dict[str, Any]:
    """Paired comparison of the tuned models of two revisions that are built.

    rows: how many test rows are compared, and how many are not for being in one test split alone
    or for other labels, as after a change of the tokenizer or of its limits.
    new_rows: the same of rows that are new in `after`, where it or one of `others` put them to the
    model of `before`, having started from it. Rows that `before` `used` in any split, and which
    moved to the test split, are none: its model has learned them.
    """
    old, new = ({row["id"]: row for row in r.lines(ROWS)} for r in (before, after))
    common = sorted(old.keys() & new.keys())
    equal = with_equal_labels(common, old, new)
    asked = answers_as_base(before, (after, *others))
    fresh = sorted(new.keys() - old.keys() - set(used))
    answered = with_equal_labels([id for id in fresh if id in asked], asked, new)
    report: dict[str, Any] = {
        "rows": {
            "compared": len(equal),
            "only_before": len(old) - len(common),
            "only_after": len(new) - len(common),
            "other_labels": len(common) - len(equal),
        },
        "new_rows": {"compared": len(answered), "not_asked": len(fresh) - len(answered)},
        "figures": figures(before, after),
    }
    if equal:
        report |= judge([old[id] for id in equal], [new[id] for id in equal])
    if answered:
        report["new_rows"] |= judge([asked[id] for id in answered], [new[id] for id in answered])
    return report


def with_equal_labels(ids: list[str], old: Rows, new: Rows) -> list[str]:
    return [id for id in ids if old[id]["labels"] == new[id]["labels"]]


def answers_as_base(model: Revision, revisions: Iterable[Revision]) -> Rows:
    """What the model of a revision answered where other builds evaluated it as their base.

    Theirs is that model when DVC's hash of it is the same.
    """
    found: Rows = {}
    for revision in revisions:
        if revision.hashes["models/base"] == model.hashes["models/final"]:
            rows = [row for row in revision.lines(ROWS) if "base" in row]
            found |= {row["id"]: row | {"tuned": row["base"]} for row in rows}
    return found


def judge(old: list[dict[str, Any]], new: list[dict[str, Any]]) -> dict[str, Any]:
    """Loss and accuracy per label of both models, the gain with its interval, and a verdict."""
    import numpy as np  # a tenth of a second, which no other command should wait for

    from sftlib.score.intervals import paired_gain

    labels = np.array([row["labels"] for row in old], dtype=float)
    report = {}
    for name, key, sign in (("loss", "loss_sum", -1.0), ("token_accuracy", "correct", 1.0)):
        if key not in old[0]["tuned"]:
            continue
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


def figures(before: Revision, after: Revision) -> dict[str, list[float | None]]:
    """Those of `FIGURES` that one of the two builds has."""
    found = {name: [figure(r, at) for r in (before, after)] for name, at in FIGURES.items()}
    return {name: values for name, values in found.items() if values != [None, None]}


def figure(revision: Revision, at: tuple[str, ...]) -> float | None:
    """A number of a metrics file; None where this build has none, as without any answers."""
    value: Any = revision.metrics(at[0])
    for key in at[1:]:
        value = value.get(key, {})
    return value if isinstance(value, int | float) else None
