"""Operators on single characters: mojibake, composed forms, control and zero-width characters."""

import re
import unicodedata
from collections.abc import Callable
from functools import cache

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


@cache
def fix_encoding() -> Callable[[str], str]:
    """ftfy's repair of mojibake alone: quotes, widths, ligatures and entities stay as written."""
    import ftfy

    config = ftfy.TextFixerConfig(explain=False, unescape_html=False)
    return lambda text: ftfy.fix_encoding(text, config)


def repair_unicode(params: RepairUnicode) -> Mend:
    """UTF-8 once read in another encoding is read anew (ftfy): `cafÃ©` -> `café`."""
    return Mend(params.name, lambda text: text if text.isascii() else fix_encoding()(text))


def nfc(params: Nfc) -> Mend:
    """Characters in composed form (Unicode NFC): `e` + U+0301 -> `é`."""
    return Mend(params.name, lambda text: unicodedata.normalize("NFC", text))


def control_characters(params: ControlCharacters) -> Mend:
    r"""Control and zero-width characters removed, line ends as `\n`: `a\u200bb\r\n` -> `ab\n`."""
    return Mend(params.name, strip_noise)


def strip_noise(text: str) -> str:
    # Printable text, which is most of it, holds none of them.
    if text.isprintable():
        return text
    return NOISE.sub(kept, text)


def kept(match: re.Match[str]) -> str:
    flag, newline = match.groups()
    return flag or ("\n" if newline else "")
