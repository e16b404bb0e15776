"""How far data moved from one build to another: lengths, languages, labels, words.

Distance: that of Jensen and Shannon to base 2, the root of their divergence (Endres and Schindelin,
IEEE Transactions on Information Theory 49(7), 2003): 0 for equal shares, 1 for nothing in common.
"""

import math
from collections import Counter
from collections.abc import Iterator
from typing import Any

from sftlib.cli.fates import Fates
from sftlib.cli.revision import Revision
from sftlib.core.records import normalise, record_from_json, record_text
from sftlib.core.words import words

COUNTED = ("lengths", "languages", "labels")
ALL = "all sources"


def compare_drift(
    before: Revision, after: Revision, old: Fates, new: Fates
) -> dict[str, dict[str, Any]]:
    """Source -> how its curated rows differ between two builds, of which the fates are given."""
    unseen = unseen_words(before, after, old, new)
    return {
        source: found | unseen.get(source, {"words": 0, "unseen": None})
        for source, found in compare_profiles(before, after).items()
    }


def compare_profiles(before: Revision, after: Revision) -> dict[str, dict[str, Any]]:
    """Source -> the distance of each distribution, and the mean length in both builds.

    None where a build has no such counts: a source that is new, languages that no operator noted.
    """
    old, new = (profiles(revision) for revision in (before, after))
    return {
        source: {
            **{name: drift(old, new, source, name) for name in COUNTED},
            "mean_characters": [mean_characters(side.get(source)) for side in (old, new)],
        }
        for source in sorted(old.keys() | new.keys(), key=lambda name: (name != ALL, name))
    }


def profiles(revision: Revision) -> dict[str, dict[str, Any]]:
    """Source -> its block of the curate metrics; and that of all sources together."""
    blocks: dict[str, Any] = revision.metrics("curate")["by_source"]
    together: dict[str, Any] = {}
    for name in COUNTED:
        together[name] = dict(sum((Counter(b.get(name, {})) for b in blocks.values()), Counter()))
    lengths = [(b["kept"], b["characters"]["mean"]) for b in blocks.values() if "characters" in b]
    if lengths:
        mean = sum(rows * length for rows, length in lengths) / sum(rows for rows, _ in lengths)
        together["characters"] = {"mean": round(mean, 1)}
    return {ALL: together, **blocks}


def drift(
    old: dict[str, dict[str, Any]], new: dict[str, dict[str, Any]], source: str, name: str
) -> float | None:
    return distance(*(side.get(source, {}).get(name, {}) for side in (old, new)))


def mean_characters(block: dict[str, Any] | None) -> float | None:
    return block["characters"]["mean"] if block and "characters" in block else None


def distance(old: dict[str, int], new: dict[str, int]) -> float | None:
    """Jensen-Shannon distance of two distributions given as counts; None where one is empty.

    >>> distance({"en": 5}, {"en": 2}), distance({"en": 5}, {"zh": 2})
    (0.0, 1.0)
    """
    total_old, total_new = sum(old.values()), sum(new.values())
    if not total_old or not total_new:
        return None
    divergence = 0.0
    for key in old.keys() | new.keys():
        p, q = old.get(key, 0) / total_old, new.get(key, 0) / total_new
        mean = (p + q) / 2
        divergence += sum(share * math.log2(share / mean) / 2 for share in (p, q) if share)
    return math.sqrt(max(divergence, 0.0))


def unseen_words(
    before: Revision, after: Revision, old: Fates, new: Fates
) -> dict[str, dict[str, Any]]:
    """Source -> of the words of its added rows, the share that no row in use before had."""
    were, are = old.in_use(), new.in_use()
    if not are.keys() - were.keys():
        return {}
    known = {word for id, text in texts(before) if id in were for word in words(text)}
    found: dict[str, Counter[bool]] = {}
    for id, text in texts(after):
        if id in are and id not in were:
            seen = Counter(word in known for word in words(text))
            for source in (ALL, are[id].source):
                found.setdefault(source, Counter()).update(seen)
    return {
        source: {"words": seen.total(), "unseen": round(seen[False] / max(seen.total(), 1), 4)}
        for source, seen in sorted(found.items())
    }


def texts(revision: Revision) -> Iterator[tuple[str, str]]:
    """(id, normalised text) of every cleaned row."""
    for _, fields in revision.folder_lines("data/clean"):
        yield fields["id"], normalise(record_text(record_from_json(fields)))
