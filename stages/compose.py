"""data/split -> data/composed: what training sees; validation and test pass untouched."""

import shutil

from sftlib.core.rows import read_folder
from sftlib.core.stage import Stage, run_stage


def main(stage: Stage) -> None:
    composed = stage.output("data/composed")
    shutil.copytree(stage.root / "data/split", composed)
    for split in ("train", "validation", "test"):
        rows = sum(1 for _ in read_folder(composed / split))
        stage.metrics[split] = {"rows_in": rows, "kept": rows, "dropped": {}}


if __name__ == "__main__":
    run_stage(main)
