"""Chat rows of some 500 characters out of real conversations, with duplicates among them.

`python -m benchmarks.planted DATASET COUNT FOLDER` writes rows.jsonl, {"prompt", "completion"}, the
same as texts.jsonl, {"text"}, and words.jsonl, {"text"}: the normalised words of each row joined by
spaces, which all systems that look for near-duplicates read, so that none differs by what it takes
for a word.
"""

import random
import sys
from collections import deque
from collections.abc import Iterator
from pathlib import Path

import orjson

from sftlib.core.records import normalise
from sftlib.core.rows import LineWriter
from sftlib.core.words import words
from sftlib.fetch.bring import bring

DATASET = "dataset.json"
URI = f"package:chitchat-dataset==0.9.0/chitchat_dataset/{DATASET}"
SHA256 = "7bf89f36645e2d5ec87d53370c8e851b5a688479c7beb7079cb4c87fc5acea3e"
CHARACTERS = 500
EXACT, NEAR = 0.05, 0.05  # shares of the rows that repeat an earlier one
RECENT = 1000  # how far back such an earlier row lies
MAX_EDITS = 6  # words replaced in a near-duplicate; of some 100, four already lower J below 0.8


def dataset(folder: Path) -> Path:
    """The conversations of chitchat-dataset, brought into `folder` once."""
    file = folder / "turns" / DATASET
    if not file.exists():
        bring("chitchat", URI, SHA256, file.parent, folder / "downloads")
    return file


def turns(file: Path) -> list[str]:
    """What people said, in all conversations."""
    return [
        text
        for talk in orjson.loads(file.read_bytes()).values()
        for turn in talk["messages"]
        for message in turn
        if (text := message["text"].strip())
    ]


def planted_rows(said: list[str], count: int, seed: int = 1) -> Iterator[tuple[str, str]]:
    """`count` (prompt, completion): new mixtures of real turns, and changed older rows."""
    random_ = random.Random(seed)
    recent: deque[tuple[str, str]] = deque(maxlen=RECENT)
    for _ in range(count):
        fate = random_.random()
        if recent and fate < EXACT:
            prompt, completion = random_.choice(recent)
            prompt = f" {prompt.upper()}" if random_.random() < 0.5 else prompt
        elif recent and fate < EXACT + NEAR:
            prompt, completion = random_.choice(recent)
            completion = edited(completion, random_, said)
        else:
            prompt, completion = mixture(random_, said), mixture(random_, said)
            recent.append((prompt, completion))
        yield prompt, completion


def mixture(random_: random.Random, said: list[str]) -> str:
    parts: list[str] = []
    while sum(map(len, parts)) < CHARACTERS / 2 - 30:
        parts.append(random_.choice(said))
    return " ".join(parts)


def edited(text: str, random_: random.Random, said: list[str]) -> str:
    """Some words replaced: from hardly any to so many that it is no near-duplicate any more."""
    found = text.split()
    for _ in range(random_.randint(1, MAX_EDITS)):
        found[random_.randrange(len(found))] = random_.choice(random_.choice(said).split())
    return " ".join(found)


def write_planted(file: Path, count: int, folder: Path) -> None:
    with (
        LineWriter(folder / "rows.jsonl") as rows,
        LineWriter(folder / "texts.jsonl") as texts,
        LineWriter(folder / "words.jsonl") as of_words,
    ):
        for prompt, completion in planted_rows(turns(file), count):
            rows.write({"prompt": prompt, "completion": completion})
            texts.write({"text": f"{prompt}\n{completion}"})
            of_words.write({"text": " ".join(words(normalise(f"{prompt} {completion}")))})


if __name__ == "__main__":
    write_planted(Path(sys.argv[1]), int(sys.argv[2]), Path(sys.argv[3]))
