"""The augmentations that `compose.augment` can list: their names, params and defaults.

`name` tells them apart. What each does stands in sftlib/compose and docs/small-data.md. Each makes
`copies` new rows of a row of train, which depend on the row's id and on `seed`.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Annotated, Literal, TypeAlias

from sftlib.core.config import Bounds
from sftlib.core.replacement import pattern_fault, replacement_faults

Copies = Annotated[int, Bounds(1, 100)]
Seed = Annotated[int, Bounds(0)]
Positive = Annotated[int, Bounds(1)]
Share = Annotated[float, Bounds(0.001, 1)]
Similarity = Annotated[float, Bounds(-1, 1)]


@dataclass(frozen=True)
class DeleteWords:
    """`share` of the words goes, at least one, and one stays."""

    name: Literal["delete_words"] = "delete_words"
    share: Share = 0.1
    copies: Copies = 1
    seed: Seed = 1


@dataclass(frozen=True)
class SwapWords:
    """`share` of the words change places with a word at most `max_distance` words away."""

    name: Literal["swap_words"] = "swap_words"
    share: Share = 0.1
    max_distance: Positive | None = None
    copies: Copies = 1
    seed: Seed = 1


@dataclass(frozen=True)
class Typos:
    """`share` of the words, of two Latin letters or more, get a letter of a neighbouring key."""

    name: Literal["typos"] = "typos"
    share: Share = 0.1
    copies: Copies = 1
    seed: Seed = 1


@dataclass(frozen=True)
class ReplaceWords:
    """`share` of the words become one of the `nearest` words in the embeddings of compose.model.

    min_similarity: the cosine below which a word is no neighbour.
    """

    name: Literal["replace_words"] = "replace_words"
    share: Share = 0.1
    nearest: Positive = 5
    min_similarity: Similarity = 0.5
    copies: Copies = 1
    seed: Seed = 1


@dataclass(frozen=True)
class Rewording:
    r"""A pattern of RE2 for all of a prompt, and prompts in its stead, with `\1` for groups."""

    pattern: str
    prompts: tuple[str, ...]


@dataclass(frozen=True)
class Paraphrase:
    """Prompts of chats are put in other words; the first rewording whose pattern fits counts."""

    rewordings: tuple[Rewording, ...]
    name: Literal["paraphrase"] = "paraphrase"
    copies: Copies = 1
    seed: Seed = 1


Augmentation: TypeAlias = DeleteWords | SwapWords | Typos | ReplaceWords | Paraphrase

# Those that change each word by itself, so that tags stay beside their words.
WORD_FOR_WORD = (Typos, ReplaceWords)


def augmentation_faults(
    augmentations: tuple[Augmentation, ...], task: str
) -> Iterator[tuple[str, str]]:
    """Yield (`[position].key`, fault) of what no single key can show to be wrong."""
    for i, augmentation in enumerate(augmentations):
        if task == "tag" and not isinstance(augmentation, WORD_FOR_WORD):
            yield f"[{i}].name", f"{augmentation.name} would part words from their tags"
        if isinstance(augmentation, Paraphrase):
            if task not in ("chat", "seq2seq"):
                yield f"[{i}].name", f"task {task} has no prompts"
            for key, message in rewording_faults(augmentation):
                yield f"[{i}].rewordings{key}", message


def rewording_faults(augmentation: Paraphrase) -> Iterator[tuple[str, str]]:
    if not augmentation.rewordings:
        yield "", "must name at least one"
    for i, rewording in enumerate(augmentation.rewordings):
        if not rewording.prompts:
            yield f"[{i}].prompts", "must name at least one"
        fault = pattern_fault(rewording.pattern)
        if fault is not None:
            yield f"[{i}].pattern", fault
            continue
        for prompt in rewording.prompts:
            for message in replacement_faults(rewording.pattern, prompt):
                yield f"[{i}].prompts", message
