"""Operators on single characters: mojibake, composed forms, control and zero-width characters."""

import re
import unicodedata
from collections.abc import Callable
from functools import cache, partial

from sftlib.clean.operators.steps import Mend
from sftlib.core.operators import ControlCharacters, Nfc, RepairUnicode

NEWLINES = r"\r\n|[\r\v\f\x85\u2028\u2029]"
# Letters of Arabic to Mongolian scripts and symbols need the joiners that follow them.
JOINED = r"\u0600-\u1fff\ua800-\uabff\ufb50-\ufeef\u2190-\u2bff\ufe0f\U0001f000-\U0001faff"
# Removed: C0 and C1 controls but tab and newline, with whole terminal escapes; the soft hyphen,
# zero-width space, word joiner and byte order mark; bidirectional overrides, which can show code
# that is not there; annotation anchors; tag characters, which hide text, except in flags.
NOISE = re.compile(
    rf"(\U0001f3f4[\U000e0020-\U000e007f]+)|({NEWLINES})"
    r"|\x1b\[[0-9;?]*[A-Za-z]|[\x00-\x08\x0e-\x1f\x7f-\x84\x86-\x9f\xad]"
    r"|[\u200b\u2060\ufeff\u202a-\u202e\u2066-\u2069\ufff9-\ufffb\U000e0000-\U000e007f]"
    rf"|(?<![{JOINED}])[\u200c\u200d]+"
)
# The control characters among those of ASCII.
CONTROLS = bytes({*range(32), 127} - {9, 10})
# Mojibake shows as two of certain characters in a row, or as one of a few. Here is a cheap search
# for something wider: ftfy's own takes a hundred times as long. Letters of other scripts, and
# quotes and dashes beside ASCII, show nothing; between two of `PAIRED`, quotes do.
QUOTES = r"\u2010-\u2015\u2018\u2019\u201c\u201d\u2022\u2026"
PAIRED = "[ВГРСΒΓΞΟ]"
TELLING = (
    r"\x80-\u02ff\u0370-\u0390\u03ca-\u040f\u0450-\u045f\u0490-\u058f\u2000-\u200f\u2016\u2017"
    r"\u201a\u201b\u201e-\u2021\u2023-\u2025\u2027-\u2dff\uf8ff\ufb00-\ufb06\ufffd"
)
FOREIGN = rf"{TELLING}{QUOTES}\u0391-\u03c9\u0410-\u044f"
MOJIBAKE_LIKE = re.compile(
    rf"[{TELLING}{QUOTES}](?:(?<=[\x80-\x9f\xc2\xc3\u0152\u0153])|(?<=[{TELLING}])[{FOREIGN}]"
    rf"|(?<=[{FOREIGN}][{TELLING}])|(?<={PAIRED}[{QUOTES}]){PAIRED})"
)


@cache
def fix_encoding() -> Callable[[str], str]:
    """ftfy's repair of mojibake alone: quotes, widths, ligatures and entities stay as written."""
    import ftfy

    config = ftfy.TextFixerConfig(explain=False, unescape_html=False)
    return lambda text: ftfy.fix_encoding(text, config)


def repair_unicode(params: RepairUnicode) -> Mend:
    """UTF-8 once read in another encoding is read anew (ftfy): `cafÃ©` -> `café`."""
    return Mend(params.name, repaired, to_ascii=False)


def repaired(text: str) -> str:
    return fix_encoding()(text) if MOJIBAKE_LIKE.search(text) else text


def nfc(params: Nfc) -> Mend:
    """Characters in composed form (Unicode NFC): `e` + U+0301 -> `é`."""
    return Mend(params.name, partial(unicodedata.normalize, "NFC"), to_ascii=False)


def control_characters(params: ControlCharacters) -> Mend:
    r"""Control and zero-width characters removed, line ends as `\n`: `a\u200bb\r\n` -> `ab\n`."""
    return Mend(params.name, strip_noise)


def strip_noise(text: str) -> str:
    return text if is_clean(text) else NOISE.sub(kept, text)


def is_clean(text: str) -> bool:
    """Whether `text` surely holds none: a cheap way out for most of them."""
    if text.isascii():
        return len(text.encode().translate(None, CONTROLS)) == len(text)
    return text.replace("\n", "").isprintable()


def kept(match: re.Match[str]) -> str:
    flag, newline = match.groups()
    return flag or ("\n" if newline else "")
