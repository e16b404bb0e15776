"""Data, ledgers, metrics -> data/report: facts for the page and the model card."""

from sftlib.core.stage import Stage, run_stage
from sftlib.report.facts import FIGURES, FIGURES_FILE, SAMPLES, SAMPLES_FILE, collect, write_facts


def main(stage: Stage) -> None:
    for file, parts in ((FIGURES_FILE, FIGURES), (SAMPLES_FILE, SAMPLES)):
        facts = collect(stage.root, stage.params, parts)
        assert not facts["missing"], facts["missing"]
        write_facts(stage.output(file), facts)


if __name__ == "__main__":
    run_stage(main)
