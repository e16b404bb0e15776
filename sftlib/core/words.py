"""Words of a text in any script."""

import re

# Scripts written without spaces: each character is a word of its own.
UNSPACED = "\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\uac00-\ud7af\u0e00-\u0e7f"
WORD = re.compile(rf"[{UNSPACED}]|[^\W{UNSPACED}]+|[^\w\s]")


def words(text: str) -> list[str]:
    """Words, unspaced characters and punctuation marks, in order.

    Punctuation counts: "2+3" and "2-3" are different texts.

    >>> words("It's 2+3, 你好")
    ['It', "'", 's', '2', '+', '3', ',', '你', '好']
    """
    return WORD.findall(text)
