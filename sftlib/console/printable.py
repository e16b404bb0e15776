"""Text from data, made safe for a terminal."""

import unicodedata

# Categories of control and format characters, and of separators of lines and paragraphs.
UNSEEN = ("Cc", "Cf", "Cs", "Co", "Zl", "Zp")


def printable(text: str) -> str:
    """`text` with control characters, which could move the cursor or recolour, as escapes.

    >>> printable("a\\x1b[31mb")
    'a\\\\x1b[31mb'
    """
    if text.isprintable():
        return text
    return "".join(character if is_safe(character) else escape(character) for character in text)


def is_safe(character: str) -> bool:
    return character == "\n" or unicodedata.category(character) not in UNSEEN


def escape(character: str) -> str:
    return character.encode("unicode_escape").decode("ascii")
