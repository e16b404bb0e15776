"""datatrove's MinHash, its four steps, on words.jsonl: `python datatrove_minhash.py WORDS ANSWER`.

14 buckets of 8 hashes, its default and FineWeb's. Words are taken as they stand between spaces: its
own splitting would make other sets of grams, and takes longer.
"""

import json
import resource
import sys
import tempfile

from datatrove.data import Document
from datatrove.pipeline.dedup.minhash import (
    MinhashConfig,
    MinhashDedupBuckets,
    MinhashDedupCluster,
    MinhashDedupFilter,
    MinhashDedupSignature,
)
from datatrove.utils.text import TextNormConfig

CONFIG = MinhashConfig(
    n_grams=3,
    norm_config=TextNormConfig(
        remove_punctuation=False, norm_unicode_diacritics=False, norm_numbers=False
    ),
)


class Words:
    @staticmethod
    def word_tokenize(text):
        return text.split()


def documents(words):
    with open(words) as lines:
        for number, line in enumerate(lines):
            yield Document(text=json.loads(line)["text"], id=str(number))


def cpu_seconds():
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


def main(words, answer):
    started = cpu_seconds()
    with tempfile.TemporaryDirectory() as place:
        hashes, buckets, removed = f"{place}/hashes", f"{place}/buckets", f"{place}/removed"
        sign = MinhashDedupSignature(hashes, CONFIG)
        sign.word_tokenizer = Words()
        sign.run(documents(words))
        for number in range(CONFIG.num_buckets):
            MinhashDedupBuckets(hashes, buckets, config=CONFIG).run(
                rank=number, world_size=CONFIG.num_buckets
            )
        MinhashDedupCluster(buckets, removed, config=CONFIG).run()
        kept = [int(row.id) for row in MinhashDedupFilter(removed).run(documents(words))]
    with open(answer, "w") as out:
        json.dump({"kept": kept, "after_imports": cpu_seconds() - started}, out)


if __name__ == "__main__":
    main(*sys.argv[1:])
