"""What encoding, training and evaluation must agree on: the labels there are."""

import json
from dataclasses import asdict, dataclass
from pathlib import Path

# The label of a position at which nothing is learned; what torch's cross_entropy ignores.
NO_LOSS = -100

# What a row's labels may be: one class, any number of classes, a number, or a class per word. The
# first three are the problem types of transformers' sequence classifiers.
ONE, MANY, NUMBER, TAGS = (
    "single_label_classification",
    "multi_label_classification",
    "regression",
    "token_classification",
)


@dataclass(frozen=True)
class LabelSet:
    """The labels of the train split: a label's id is its place in `names`.

    counts: how often each name occurs in train. rows: how many labelled rows, or words, there are.
    mean: of the numbers, where the labels are numbers.
    """

    problem: str
    names: tuple[str, ...]
    counts: tuple[int, ...]
    rows: int
    mean: float | None = None

    @property
    def outputs(self) -> int:
        """How many logits the model gives for a row, or for a word."""
        return len(self.names) or 1

    @property
    def ids(self) -> dict[str, int]:
        return {name: number for number, name in enumerate(self.names)}

    def write(self, folder: Path) -> None:
        text = json.dumps(asdict(self), indent=2, ensure_ascii=False)
        (folder / "labels.json").write_text(text + "\n", encoding="utf-8")


def read_labels(folder: Path) -> LabelSet | None:
    """The labels that were written with the rows in `folder`; None where tokens are learned."""
    file = folder / "labels.json"
    if not file.is_file():
        return None
    fields = json.loads(file.read_text(encoding="utf-8"))
    return LabelSet(**{**fields, **{key: tuple(fields[key]) for key in ("names", "counts")}})
