"""data/clean -> data/curated: duplicates dropped, each row with its place for the split."""

import shutil

from sftlib.core.stage import Stage, run_stage
from sftlib.curate.curate import Folders, curate


def main(stage: Stage) -> None:
    root, params = stage.root, stage.params
    forget_removed_sources(stage)
    folders = Folders(
        clean=root / "data/clean",
        clean_ledger=root / "data/ledger/clean",
        curated=stage.output("data/curated"),
        curated_ledger=stage.output("data/ledger/curate"),
    )
    stage.metrics.update(curate(folders, params.sources, params.curate, params.run))


def forget_removed_sources(stage: Stage) -> None:
    """Delete what removed sources left: DVC leaves it, and this stage depends on the folders."""
    for folder in ("data/clean", "data/ledger/clean", "metrics/clean"):
        for entry in (stage.root / folder).iterdir():
            if entry.name.removesuffix(".json") in stage.params.sources:
                continue
            shutil.rmtree(entry) if entry.is_dir() else entry.unlink()


if __name__ == "__main__":
    run_stage(main)
