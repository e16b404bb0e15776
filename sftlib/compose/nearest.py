"""Words that lie close to each other in the input embeddings of a model.

Near words are used alike; they need not mean the same, and some mean the opposite. Only words that
are one token have a vector of their own.
"""

import re
from collections.abc import Iterable, Mapping
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from sftlib.compose.embeddings import load_encoder
from sftlib.compose.lot import Draw
from sftlib.compose.noise import Change, amount
from sftlib.compose.wording import cut
from sftlib.core.augmentations import ReplaceWords
from sftlib.core.rows import batched
from sftlib.encode.tokens import read_tokenizer

# A word of letters, with the punctuation around it.
LETTERS = re.compile(r"([\W_]*)([^\W\d_]{3,})([\W_]*)")
WORDS_PER_BATCH = 256
DECIMALS = 9  # sums of other batches differ behind them

Nearest = Mapping[str, tuple[str, ...]]


def replace_words(params: ReplaceWords, nearest: Nearest) -> Change:
    """nearest: word -> those that may stand for it."""

    def change(words: list[str], draw: Draw) -> list[str | None]:
        found = [LETTERS.fullmatch(word) for word in words]
        options = [nearest.get(match[2].lower(), ()) if match else () for match in found]
        changed: list[str | None] = list(words)
        able = [place for place, option in enumerate(options) if option]
        for place in draw.some(able, amount(params.share, words), "word"):
            match = found[place]
            assert match is not None
            other = draw.pick(options[place], f"other:{place}")
            changed[place] = match[1] + cased(other, match[2]) + match[3]
        return changed

    return change


def cased(word: str, like: str) -> str:
    """`word` in capitals where `like` has them.

    >>> cased("film", "Movie"), cased("film", "MOVIE")
    ('Film', 'FILM')
    """
    if like.isupper():
        return word.upper()
    return word.capitalize() if like[0].isupper() else word


def words_in(texts: Iterable[str]) -> set[str]:
    """The words of letters in texts, in small letters."""
    matches = (LETTERS.fullmatch(word) for text in texts for word in cut(text).words)
    return {match[2].lower() for match in matches if match}


def nearest_words(
    model: Path, wanted: set[str], params: ReplaceWords
) -> dict[str, tuple[str, ...]]:
    """Each wanted word that the model knows -> its nearest, the nearest first; it may have none.

    Vectors are compared without their mean, which words of all kinds share.
    """
    names, vectors = vocabulary(model)
    places = {name: place for place, name in enumerate(names)}
    result: dict[str, tuple[str, ...]] = {}
    for batch in batched(sorted(wanted & places.keys()), WORDS_PER_BATCH):
        cosines = (vectors[[places[word] for word in batch]] @ vectors.T).round(DECIMALS)
        for word, row in zip(batch, cosines, strict=True):
            row[places[word]] = -np.inf
            best = np.lexsort((np.arange(len(row)), -row))[: params.nearest]
            result[word] = tuple(names[n] for n in best if row[n] >= params.min_similarity)
    return result


def vocabulary(model: Path) -> tuple[list[str], NDArray[np.float64]]:
    """Words in small letters that are one token, sorted, and their vectors of length 1 [W, D]."""
    tokenizer, _ = read_tokenizer(model)
    size = tokenizer.get_vocab_size()
    texts = [tokenizer.decode([id]).strip() for id in range(size)]
    words = sorted({text for text in texts if LETTERS.fullmatch(text) and text == text.lower()})
    ids: dict[str, int] = {}
    for form in ("{}", " {}"):  # the usual form, behind a space, has the last word
        spelt = tokenizer.encode_batch([form.format(w) for w in words], add_special_tokens=False)
        ids |= {w: code.ids[0] for w, code in zip(words, spelt, strict=True) if len(code.ids) == 1}
    names = sorted(word for word in ids if word.isalpha())
    embeddings = load_encoder(model).get_input_embeddings()
    assert isinstance(embeddings, torch.nn.Embedding)
    table = embeddings.weight.detach()
    vectors = table[[ids[name] for name in names]].double().numpy()
    vectors = vectors - vectors.mean(axis=0)
    return names, vectors / np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-12)
