"""Chat rows of some 500 characters out of real conversations, with duplicates among them."""

import json
import random
import subprocess
import sys
import zipfile
from collections import deque
from collections.abc import Iterator
from pathlib import Path
from typing import Any

PACKAGE = "chitchat-dataset==0.9.0"
MEMBER = "chitchat_dataset/dataset.json"
CHARACTERS = 500
EXACT, NEAR = 0.05, 0.05  # shares of the rows that repeat an earlier one


def conversations(folder: Path) -> list[list[str]]:
    """The turns of each conversation of chitchat-dataset, read out of its wheel."""
    folder.mkdir(parents=True, exist_ok=True)
    wheels = list(folder.glob("chitchat_dataset-*.whl"))
    if not wheels:
        command = ["pip", "download", "--quiet", "--no-deps", "--dest", str(folder), PACKAGE]
        subprocess.run([sys.executable, "-m", *command], check=True)
        wheels = list(folder.glob("chitchat_dataset-*.whl"))
    with zipfile.ZipFile(wheels[0]) as wheel:
        dataset = json.loads(wheel.read(MEMBER))
    return [
        [
            message["text"]
            for turn in talk["messages"]
            for message in turn
            if message["text"].strip()
        ]
        for talk in dataset.values()
    ]


def planted_rows(talks: list[list[str]], count: int, seed: int = 1) -> Iterator[dict[str, Any]]:
    """`count` rows {"prompt", "completion"}: new mixtures of real turns, and changed older rows."""
    random_ = random.Random(seed)
    turns = [turn for talk in talks for turn in talk]
    recent: deque[tuple[str, str]] = deque(maxlen=1000)
    for _ in range(count):
        fate = random_.random()
        if recent and fate < EXACT:
            prompt, completion = random_.choice(recent)
            prompt = f" {prompt.upper()}" if random_.random() < 0.5 else prompt
        elif recent and fate < EXACT + NEAR:
            prompt, completion = random_.choice(recent)
            completion = edited(completion, random_, turns)
        else:
            prompt, completion = mixture(random_, turns), mixture(random_, turns)
            recent.append((prompt, completion))
        yield {"prompt": prompt, "completion": completion}


def mixture(random_: random.Random, turns: list[str]) -> str:
    parts: list[str] = []
    while sum(map(len, parts)) < CHARACTERS / 2 - 30:
        parts.append(random_.choice(turns))
    return " ".join(parts)


def edited(text: str, random_: random.Random, turns: list[str]) -> str:
    """Some words replaced: from hardly any to so many that it is no near-duplicate any more."""
    found = text.split()
    for _ in range(random_.randint(1, 6)):
        found[random_.randrange(len(found))] = random_.choice(random_.choice(turns).split())
    return " ".join(found)
