"""What curation remembers of all rows: enough to judge them, without their texts."""

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sftlib.core.memory import keep_freed_memory
from sftlib.core.params import HELD_OUT, Curate, Run, Source
from sftlib.core.records import Labeled, record_from_json, record_text
from sftlib.core.rows import list_shards, read_lines
from sftlib.core.shards import map_shards
from sftlib.curate.grams import CHARACTERS_PER_BATCH, Counts, Hashes, gram_hashes
from sftlib.curate.place import place_hash
from sftlib.curate.signature import signature

Fields = dict[str, Any]


@dataclass
class Survey:
    """The rows of one shard, in their order.

    keys: equal for exact duplicates; openings: hashes of what stands before the first answer.
    labels: what the row is called in messages and compared by; None but for labelled texts.
    groups: the value of `curate.group`; None where there is none.
    grams, counts: hashes of word n-grams end to end, and how many each row has.
    """

    ids: list[str] = field(default_factory=list)
    keys: list[bytes] = field(default_factory=list)
    openings: list[int] = field(default_factory=list)
    lengths: list[int] = field(default_factory=list)
    labels: list[str | None] = field(default_factory=list)
    groups: list[str | None] = field(default_factory=list)
    grams: list[Hashes] = field(default_factory=list)
    counts: list[Counts] = field(default_factory=list)


@dataclass
class Pool:
    """The rows of all shards end to end; `shards` names each shard and says how many rows it has.

    priorities, held_out: by row, from its source. A row that is held out is of a given split or an
    evaluation set: it is kept, and others yield to it.
    """

    shards: list[tuple[str, int]]
    ids: list[str]
    keys: list[bytes]
    openings: Hashes
    lengths: NDArray[np.int64]
    labels: list[str | None]
    groups: list[str | None]
    priorities: NDArray[np.int64]
    held_out: NDArray[np.bool_]
    grams: list[Hashes]
    counts: list[Counts]


def survey_rows(rows: Iterable[Fields], params: Curate) -> Survey:
    """Survey rows given as the objects of their lines."""
    survey, texts, characters = Survey(), [], 0
    ngram = params.near_duplicates.ngram if params.near_duplicates else None
    for fields in rows:
        record = record_from_json(fields)
        found = signature(record)
        group = fields.get("meta", {}).get(params.group) if params.group else None
        survey.ids.append(fields["id"])
        survey.keys.append(found.key)
        survey.openings.append(place_hash(found.opening))
        survey.lengths.append(len(record_text(record)))
        survey.labels.append(str(record.label) if isinstance(record, Labeled) else None)
        survey.groups.append(None if group is None else str(group))
        texts.append(found.text)
        characters += len(found.text)
        if characters > CHARACTERS_PER_BATCH:
            add_grams(survey, texts, ngram)
            texts, characters = [], 0
    add_grams(survey, texts, ngram)
    return survey


def add_grams(survey: Survey, texts: list[str], ngram: int | None) -> None:
    if ngram is not None and texts:
        grams, counts = gram_hashes(texts, ngram)
        survey.grams.append(grams)
        survey.counts.append(counts)


def survey_shard(clean: Path, params: Curate, shard: str) -> Survey:
    keep_freed_memory()
    return survey_rows(read_lines(clean / shard), params)


def read_pool(clean: Path, sources: dict[str, Source], params: Curate, run: Run) -> Pool:
    """Survey all shards below `clean`, a folder per source.

    On this machine always: what comes back is as large as what goes out.
    """
    shards = [f"{name}/{shard}" for name in sorted(sources) for shard in list_shards(clean / name)]
    size = sum((clean / shard).stat().st_size for shard in shards)
    here = replace(run, executor="local")
    surveys = map_shards(partial(survey_shard, clean, params), shards, here, size)
    return pooled(list(zip(shards, surveys, strict=True)), sources)


def pooled(surveys: list[tuple[str, Survey]], sources: dict[str, Source]) -> Pool:
    """Lay surveys, each with its shard SOURCE/PATH, end to end."""
    owners = [sources[shard.partition("/")[0]] for shard, _ in surveys]
    sizes = [len(survey.ids) for _, survey in surveys]
    found = [survey for _, survey in surveys]
    return Pool(
        shards=[(shard, size) for (shard, _), size in zip(surveys, sizes, strict=True)],
        ids=[id for survey in found for id in survey.ids],
        keys=[key for survey in found for key in survey.keys],
        openings=np.array([hash for survey in found for hash in survey.openings], np.uint64),
        lengths=np.array([length for survey in found for length in survey.lengths], np.int64),
        labels=[label for survey in found for label in survey.labels],
        groups=[group for survey in found for group in survey.groups],
        priorities=np.repeat([source.priority for source in owners], sizes),
        held_out=np.repeat([source.role in HELD_OUT for source in owners], sizes),
        grams=[grams for survey in found for grams in survey.grams],
        counts=[counts for survey in found for counts in survey.counts],
    )
