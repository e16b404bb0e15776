"""datasketch's MinHash LSH on words.jsonl: `python datasketch_lsh.py WORDS ANSWER`.

128 hashes, its default. A row is dropped when the index already holds a candidate for it.
"""

import json
import resource
import sys

from datasketch import MinHash, MinHashLSH


def cpu_seconds():
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


def grams(text):
    words = text.split()
    return {" ".join(words[i : i + 3]).encode() for i in range(max(1, len(words) - 2))}


def main(words, answer):
    started = cpu_seconds()
    index, kept = MinHashLSH(threshold=0.8, num_perm=128), []
    with open(words) as lines:
        for number, line in enumerate(lines):
            sketch = MinHash(num_perm=128)
            sketch.update_batch(grams(json.loads(line)["text"]))
            if not index.query(sketch):
                index.insert(number, sketch)
                kept.append(number)
    with open(answer, "w") as out:
        json.dump({"kept": kept, "after_imports": cpu_seconds() - started}, out)


if __name__ == "__main__":
    main(*sys.argv[1:])
