"""data/curated -> data/split: train, validation and test rows, no cluster in two of them."""

from sftlib.core.stage import Stage, run_stage
from sftlib.curate.split import random_split_leak, split_rows


def main(stage: Stage) -> None:
    params = stage.params.split
    curated, copies = stage.root / "data/curated", stage.root / "data/ledger/curate/copies.json"
    stage.metrics.update(split_rows(curated, stage.output("data/split"), params))
    stage.metrics["random_split"] = random_split_leak(copies, params)


if __name__ == "__main__":
    run_stage(main)
