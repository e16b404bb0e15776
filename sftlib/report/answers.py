"""What the models said about test rows."""

from pathlib import Path
from typing import Any

from sftlib.core.params import Params
from sftlib.core.rows import read_lines
from sftlib.report.texts import clip, texts_of


def answers(root: Path, params: Params) -> list[dict[str, Any]]:
    """Generated answers {source, prompt, reference, base, tuned}; or, where rows have labels, the
    rows that the tuned model finds hardest {source, turns, gold, predicted, loss}."""
    lines = list(read_lines(root / "data/evaluated/rows.jsonl"))
    asked = [line for line in lines if "answers" in line]
    if asked or not any("gold" in line for line in lines):
        return [answered(line) for line in asked]
    hardest = sorted(lines, key=lambda line: (-mean_loss(line), line["id"]))
    hardest = hardest[: params.evaluate.samples]
    texts = texts_of(root / "data/composed/test", {line["id"] for line in hardest})
    return [
        {
            "source": line["source"],
            "turns": texts[line["id"]],
            "gold": clip(" ".join(map(str, line["gold"]))),
            "predicted": clip(" ".join(map(str, line["predicted"]))),
            "loss": round(mean_loss(line), 4),
        }
        for line in hardest
    ]


def answered(line: dict[str, Any]) -> dict[str, str]:
    return {"source": line["source"], **{key: clip(text) for key, text in line["answers"].items()}}


def mean_loss(line: dict[str, Any]) -> float:
    return float(line["tuned"]["loss_sum"]) / max(1, len(line["gold"]))
