"""How far data moved: profiles of sources, and distances by hand and against SciPy."""

import math
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.spatial.distance import jensenshannon

from sftlib.cli.drift import distance
from sftlib.curate.profile import Profile, length_classes

COUNTS = st.dictionaries(st.sampled_from("abcdef"), st.integers(1, 1000), min_size=1)


def profile(*rows: tuple[dict[str, Any], dict[str, Any], int]) -> dict[str, Any]:
    found = Profile()
    for fields, entry, characters in rows:
        found.add(orjson.dumps(fields), entry, characters)
    return found.to_json()


def test_a_profile_counts_lengths_languages_and_labels() -> None:
    assert profile(
        ({"label": "good"}, {"language": "en"}, 10),
        ({"label": ["good", "new"]}, {}, 20),
        ({"tags": ["O", "B-x", "O"]}, {"language": "en"}, 30),
        ({"label": 4.5}, {"language": "de"}, 100),
        ({"messages": []}, {}, 65),
    ) == {
        "characters": {"mean": 45.0, "p10": 14.0, "p50": 30.0, "p90": 86.0},
        "lengths": {"16": 1, "32": 2, "128": 2},
        "languages": {"de": 1, "en": 2},
        "labels": {"B-x": 1, "O": 2, "good": 2, "new": 1},
    }


def test_what_there_is_not_is_left_out() -> None:
    assert profile() == {}
    assert set(profile(({"messages": []}, {}, 7))) == {"characters", "lengths"}


def test_a_length_is_counted_by_the_power_of_two_that_holds_it() -> None:
    assert length_classes([0, 1, 2, 3, 4, 5, 64, 65]) == {
        "1": 2, "2": 1, "4": 2, "8": 1, "64": 1, "128": 1,
    }  # fmt: skip


def test_distance_by_hand() -> None:
    # P = (1, 0), Q = (1/2, 1/2), M = (3/4, 1/4).
    divergence = math.log2(4 / 3) / 2 + (math.log2(2 / 3) / 2 + math.log2(2) / 2) / 2
    assert distance({"a": 7}, {"a": 3, "b": 3}) == pytest.approx(math.sqrt(divergence))
    assert distance({"a": 7}, {"a": 3, "b": 3}) == pytest.approx(0.557923, abs=1e-6)
    assert distance({"a": 1, "b": 3}, {"b": 6, "a": 2}) == 0.0
    assert distance({"a": 1}, {"b": 9}) == 1.0
    assert distance({}, {"a": 1}) is None
    assert distance({"a": 1}, {}) is None


@given(COUNTS, COUNTS)
def test_distance_is_scipy_s(old: dict[str, int], new: dict[str, int]) -> None:
    vectors = [[counts.get(key, 0) for key in "abcdef"] for counts in (old, new)]
    expected = float(jensenshannon(*vectors, base=2))
    assert distance(old, new) == pytest.approx(0.0 if math.isnan(expected) else expected, abs=1e-7)
    assert distance(old, new) == pytest.approx(distance(new, old), abs=1e-7)
