"""data/split -> data/composed: what training sees; validation and test pass untouched."""

import os

os.environ["HF_HUB_OFFLINE"] = "1"

from sftlib.compose.compose import Folders, compose
from sftlib.core.stage import Stage, run_stage


def main(stage: Stage) -> None:
    folders = Folders(
        split=stage.root / "data/split",
        curated_ledger=stage.root / "data/ledger/curate",
        model=stage.root / stage.params.compose.model,
        out=stage.output("data/composed"),
        ledger=stage.output("data/ledger/compose"),
    )
    stage.metrics.update(compose(folders, stage.params))


if __name__ == "__main__":
    run_stage(main)
