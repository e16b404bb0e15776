"""The user's own rewordings of prompts."""

from collections.abc import Callable

from sftlib.compose.lot import Draw
from sftlib.core.augmentations import Paraphrase
from sftlib.core.replacement import filler


def paraphrase(params: Paraphrase) -> Callable[[str, Draw], str]:
    """A prompt in other words; copies of one row take the rewordings by turns."""
    import re2

    prepared = [
        (re2.compile(rewording.pattern), [filler(prompt) for prompt in rewording.prompts])
        for rewording in params.rewordings
    ]

    def change(text: str, draw: Draw) -> str:
        for pattern, fillers in prepared:
            match = pattern.fullmatch(text)
            if match:
                first = int(draw.of_row("rewording") * len(fillers))
                return fillers[(first + draw.copy) % len(fillers)](match)
        return text

    return change
