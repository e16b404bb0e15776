"""data/curated -> data/split: train, validation and test rows, no cluster in two of them."""

from sftlib.core.stage import Stage, run_stage
from sftlib.curate.split import Folders, random_split_leak, split_rows


def main(stage: Stage) -> None:
    params, root = stage.params, stage.root
    folders = Folders(
        curated=root / "data/curated",
        curated_ledger=root / "data/ledger/curate",
        splits=stage.output("data/split"),
        ledger=stage.output("data/ledger/split"),
    )
    stage.metrics.update(split_rows(folders, params.split, params.sources))
    copies = folders.curated_ledger / "copies.json"
    stage.metrics["random_split"] = random_split_leak(copies, params.split)


if __name__ == "__main__":
    run_stage(main)
