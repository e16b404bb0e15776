"""data/raw -> data/clean/KEY: the rows of one source as records, faulty ones dropped."""

from sftlib.clean.source import Job, clean_source
from sftlib.core.stage import Stage, run_stage


def main(stage: Stage) -> None:
    params, key = stage.params, stage.key_of("sources", stage.params.sources)
    rows = stage.output(f"data/clean/{key}")
    ledger = stage.output(f"data/ledger/clean/{key}")
    job = Job(key, params.sources[key], params.clean, stage.root, rows, ledger)
    tally = clean_source(job, params.run)
    stage.metrics.update(tally.to_json() | tally.kept_shares())


if __name__ == "__main__":
    run_stage(main)
