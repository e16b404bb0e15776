"""What differs between two texts, word by word."""

import re
from difflib import SequenceMatcher

WORD = re.compile(r"[^\W_]+|\s|.", re.DOTALL)
# Characters before the first difference, and of each text from there.
BEFORE, SHOWN = 60, 500
# White space that was added or removed would not be seen.
SPACES = str.maketrans({" ": "·", "\t": "→", "\n": "↵\n", "\u3000": "□"})

# (same, removed or added; text)
Segment = tuple[str, str]


def segments(before: str, after: str, spelled: bool = False) -> list[Segment]:
    """The texts as one, from shortly before the first difference.

    spelled: write characters that are not ASCII as escapes where texts differ, since two forms of
    a character look the same.

    >>> segments("a  cat", "a cat")
    [('same', 'a '), ('removed', '·'), ('same', 'cat')]
    """
    start = max(0, common(before, after) - BEFORE)
    old, new = (WORD.findall(text[start : start + SHOWN]) for text in (before, after))
    found: list[Segment] = [("same", "… ")] if start else []
    matcher = SequenceMatcher(None, old, new, autojunk=False)
    for kind, a, b, c, d in matcher.get_opcodes():
        if kind == "equal":
            found.append(("same", "".join(old[a:b])))
            continue
        for name, words in (("removed", old[a:b]), ("added", new[c:d])):
            if words:
                found.append((name, visible("".join(words), spelled)))
    is_cut = max(len(before), len(after)) > start + SHOWN
    return [*found, ("same", " …")] if is_cut else found


def common(before: str, after: str) -> int:
    """How many characters both begin with."""
    pairs = enumerate(zip(before, after, strict=False))
    return next((n for n, (a, b) in pairs if a != b), min(len(before), len(after)))


def visible(text: str, spelled: bool) -> str:
    if spelled:
        return text.encode("ascii", "backslashreplace").decode()
    return text.translate(SPACES) if text.isspace() else text
