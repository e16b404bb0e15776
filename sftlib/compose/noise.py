"""Changes of the words of a text: some go, change places, or are misspelt.

Deleting and swapping: Wei and Zou, "EDA: Easy Data Augmentation Techniques for Boosting Performance
on Text Classification Tasks" (arXiv 1901.11196).
"""

from collections.abc import Callable
from typing import TypeAlias

from sftlib.compose.lot import Draw
from sftlib.core.augmentations import DeleteWords, SwapWords, Typos

# Of words: each word anew, None where one goes.
Change: TypeAlias = Callable[[list[str], Draw], list[str | None]]

# Letters as they lie on a keyboard, each row a part of a key to the right of the one above.
KEY_ROWS = (("qwertyuiop", 0.0), ("asdfghjkl", 0.25), ("zxcvbnm", 0.75))
KEY_PITCHES = 1.26  # centres of keys that touch are at most that far apart


def keyboard() -> dict[str, str]:
    """Letter -> the letters on the keys that touch its own.

    >>> keyboard()["g"]
    'bfhtvy'
    """
    places = {
        letter: (column + shift, row)
        for row, (letters, shift) in enumerate(KEY_ROWS)
        for column, letter in enumerate(letters)
    }
    return {
        letter: "".join(
            other
            for other, (a, b) in sorted(places.items())
            if other != letter and ((a - x) ** 2 + (b - y) ** 2) ** 0.5 < KEY_PITCHES
        )
        for letter, (x, y) in places.items()
    }


NEIGHBOURS = keyboard()


def amount(share: float, words: list[str]) -> int:
    """How many of the words are changed: at least one.

    >>> amount(0.1, ["a"] * 26), amount(0.1, ["a"] * 3)
    (3, 1)
    """
    return max(1, round(share * len(words)))


def delete_words(params: DeleteWords) -> Change:
    def change(words: list[str], draw: Draw) -> list[str | None]:
        count = min(amount(params.share, words), len(words) - 1)
        gone = set(draw.some(range(len(words)), count, "word"))
        return [None if place in gone else word for place, word in enumerate(words)]

    return change


def swap_words(params: SwapWords) -> Change:
    def change(words: list[str], draw: Draw) -> list[str | None]:
        changed: list[str | None] = list(words)
        for place in draw.some(range(len(words)), amount(params.share, words), "word"):
            reach = params.max_distance or len(words)
            low, high = max(0, place - reach), min(len(words), place + reach + 1)
            others = [other for other in range(low, high) if other != place]
            if others:
                other = draw.pick(others, f"other:{place}")
                changed[place], changed[other] = changed[other], changed[place]
        return changed

    return change


def typos(params: Typos) -> Change:
    def change(words: list[str], draw: Draw) -> list[str | None]:
        letters = [[n for n, c in enumerate(word) if c.lower() in NEIGHBOURS] for word in words]
        able = [place for place, found in enumerate(letters) if len(found) > 1]
        changed: list[str | None] = list(words)
        for place in draw.some(able, amount(params.share, words), "word"):
            at = draw.pick(letters[place], f"letter:{place}")
            changed[place] = mistyped(words[place], at, draw.number(f"key:{place}"))
        return changed

    return change


def mistyped(word: str, at: int, number: float) -> str:
    """`word` with another letter at `at`, which `number` in [0, 1) chooses.

    >>> mistyped("Great", 0, 0.0)
    'Breat'
    """
    keys = NEIGHBOURS[word[at].lower()]
    key = keys[int(number * len(keys))]
    return word[:at] + (key.upper() if word[at].isupper() else key) + word[at + 1 :]
