"""Token ids and masks of one file of clean rows, by three ways to make them, each a process.

`python -m benchmarks.tokens WAY MODEL SHARDS OUT` writes ids of rows, token ids and labels as .npz;
`python -m benchmarks.tokens same A B` ends with 1 where two of them differ in any row.
"""

import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sftlib.core.labels import NO_LOSS
from sftlib.core.rows import batched, read_folder

ROWS_PER_BATCH = 1000
# (row id, token ids, labels): labels[t] is the token at t, or -100 where none is learned.
Row = tuple[str, list[int], list[int]]


def ours(model: Path, shards: Path, out: Path) -> None:
    """As the stage tokenize does: encoded, masked, packed, in the columns of `datasets`."""
    from sftlib.core.params import load_params
    from sftlib.encode.dataset import encode_split
    from sftlib.encode.rows import Encoder

    origins = {row["id"]: "" for row in read_folder(shards)}
    params = load_params(Path("params.yaml")).tokenize
    # None is to be left out for its length: the others know no such limit.
    encoder = Encoder(model, replace(params, max_tokens=params.tokens_per_pack))
    rows, _ = encode_split(encoder, shards, origins, out.with_suffix(".ledger"))
    columns = {name: rows.data.column(name) for name in ("id", "input_ids", "labels")}
    flat = {name: columns[name].combine_chunks().flatten() for name in ("input_ids", "labels")}
    counts = np.diff(columns["input_ids"].combine_chunks().offsets)
    labels = flat["labels"].to_numpy()
    save(out, columns["id"].to_pylist(), counts, flat["input_ids"].to_numpy(), shifted(labels))


def shifted(labels: NDArray[np.int32]) -> NDArray[np.int32]:
    """Our label at t is the token at t + 1; the last one of a row is never learned."""
    return np.concatenate([labels[-1:], labels[:-1]])


def apply_chat_template(tokenizer: Any, rows: list[dict[str, Any]]) -> Iterator[Row]:
    """Row by row; an answer is what the conversation with it has more than the prompt for it."""
    for row in rows:
        messages = row["messages"]
        ids = template_ids(tokenizer, messages)
        labels = [NO_LOSS] * len(ids)
        for number, message in enumerate(messages):
            if message["role"] == "assistant":
                start = len(template_ids(tokenizer, messages[:number], add_generation_prompt=True))
                end = len(template_ids(tokenizer, messages[: number + 1]))
                while ids[end - 1] != tokenizer.eos_token_id:  # the line end after the end of turn
                    end -= 1
                labels[start:end] = ids[start:end]
        yield row["id"], ids, labels


def template_ids(tokenizer: Any, messages: list[dict[str, str]], **options: bool) -> list[int]:
    ids: list[int] = tokenizer.apply_chat_template(messages, return_dict=False, **options)
    return ids


def encode_batch(tokenizer: Any, rows: list[dict[str, Any]]) -> Iterator[Row]:
    """Prompts and last answers as texts, all of a batch encoded at once."""
    texts = []
    for row in rows:
        whole = tokenizer.apply_chat_template(row["messages"], tokenize=False)
        prompt = tokenizer.apply_chat_template(
            row["messages"][:-1], tokenize=False, add_generation_prompt=True
        )
        answer, eos, after = whole[len(prompt) :].rpartition(tokenizer.eos_token)
        texts += [prompt, answer + eos, after]
    encoded = tokenizer.backend_tokenizer.encode_batch(texts, add_special_tokens=False)
    for row, *parts in zip(rows, encoded[::3], encoded[1::3], encoded[2::3], strict=True):
        prompt_ids, answer_ids, after_ids = [part.ids for part in parts]
        ids = prompt_ids + answer_ids + after_ids
        labels = [NO_LOSS] * len(prompt_ids) + answer_ids + [NO_LOSS] * len(after_ids)
        yield row["id"], ids, labels


def theirs(way: Callable[[Any, list[dict[str, Any]]], Iterator[Row]]) -> Callable[..., None]:
    def write(model: Path, shards: Path, out: Path) -> None:
        from transformers import AutoTokenizer

        tokenizer = AutoTokenizer.from_pretrained(model)
        names, ids, labels = [], [], []
        for batch in batched(read_folder(shards), ROWS_PER_BATCH):
            for name, mine, learned in way(tokenizer, batch):
                names.append(name)
                ids.append(np.array(mine, np.int32))
                labels.append(np.array(learned, np.int32))
        counts = np.array(list(map(len, ids)))
        save(out, names, counts, np.concatenate(ids), np.concatenate(labels))

    return write


def save(out: Path, names: list[str], counts: Any, ids: Any, labels: Any) -> None:
    np.savez(out, names=np.array(names), counts=counts, ids=ids, labels=labels)


def by_name(file: Path) -> dict[str, tuple[bytes, bytes]]:
    """Ids and labels of each row; rows of one id have the same text."""
    with np.load(file) as found:
        ends = np.cumsum(found["counts"])[:-1]
        parts = [np.split(found[name].astype(np.int32), ends) for name in ("ids", "labels")]
        rows = zip(found["names"].tolist(), *parts, strict=True)
        return {name: (ids.tobytes(), labels.tobytes()) for name, ids, labels in rows}


WAYS = {
    "ours": ours,
    "apply_chat_template": theirs(apply_chat_template),
    "encode_batch": theirs(encode_batch),
}

if __name__ == "__main__":
    if sys.argv[1] == "same":
        sys.exit(int(by_name(Path(sys.argv[2])) != by_name(Path(sys.argv[3]))))
    WAYS[sys.argv[1]](*map(Path, sys.argv[2:]))
