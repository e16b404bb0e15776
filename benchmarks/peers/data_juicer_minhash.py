"""Data-Juicer's MinHash on words.jsonl: `python data_juicer_minhash.py WORDS ANSWER`."""

import json
import resource
import sys

from data_juicer.core.data import NestedDataset
from data_juicer.ops.deduplicator.document_minhash_deduplicator import (
    DocumentMinhashDeduplicator,
)
from datasets import Dataset, disable_caching


def cpu_seconds():
    own = resource.getrusage(resource.RUSAGE_SELF)
    worker = resource.getrusage(resource.RUSAGE_CHILDREN)  # hashes are made in a process of one
    return own.ru_utime + own.ru_stime + worker.ru_utime + worker.ru_stime


def main(words, answer):
    started = cpu_seconds()
    disable_caching()
    with open(words) as lines:
        texts = [json.loads(line)["text"] for line in lines]
    rows = NestedDataset(Dataset.from_dict({"text": texts, "row": range(len(texts))}))
    step = DocumentMinhashDeduplicator(window_size=3, jaccard_threshold=0.8, num_proc=1)
    kept = list(step.run(rows)["row"])
    with open(answer, "w") as out:
        json.dump({"kept": kept, "after_imports": cpu_seconds() - started}, out)


if __name__ == "__main__":
    main(*sys.argv[1:])
