"""data/composed -> data/tokenized: token ids, labels that line up with the logits, packs."""

import datasets

from sftlib.core.errors import DataError
from sftlib.core.rows import read_folder
from sftlib.core.splits import SPLITS
from sftlib.core.stage import Stage, run_stage
from sftlib.core.tables import write_csv
from sftlib.encode.dataset import encode_split, length_histogram
from sftlib.encode.tasks import ENCODERS


def main(stage: Stage) -> None:
    coding, composed = ENCODERS[stage.params.task], stage.root / "data/composed"
    labels = coding.labels(composed / "train")
    encoder = coding.encoder(stage.root / "models/base", stage.params.tokenize, labels)
    tokenized, ledger = stage.output("data/tokenized"), stage.output("data/ledger/tokenize")
    ledgers = (stage.root / "data/ledger" / name for name in ("curate/kept", "compose/augmented"))
    origins = {entry["id"]: entry["at"] for folder in ledgers for entry in read_folder(folder)}
    ledger.mkdir()
    splits: dict[str, datasets.Dataset] = {}
    for name in SPLITS:
        found = encode_split(encoder, composed / name, origins, ledger)
        splits[name], stage.metrics[name] = found
        if not len(splits[name]):
            raise DataError(f"tokenize: no row of {name} is left: {stage.metrics[name]['dropped']}")
    datasets.disable_progress_bars()
    datasets.DatasetDict(splits).save_to_disk(tokenized)
    if labels is not None:
        labels.write(tokenized)
    write_csv(stage.output("plots/lengths.csv"), length_histogram(splits))


if __name__ == "__main__":
    run_stage(main)
