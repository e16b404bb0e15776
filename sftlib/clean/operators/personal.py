"""Personal data: addresses and numbers whose form or check digits give them away."""

import ipaddress
import re
from collections.abc import Callable, Iterator

from sftlib.clean.operators.findings import Find, Finding, Search, acting
from sftlib.clean.operators.steps import Step
from sftlib.clean.reasons import Flag, Removal
from sftlib.core.operators import Pii

EMAIL = re.compile(
    r"(?<![\w.%+-])[A-Za-z0-9_][\w.%+-]{0,63}+@(?:[A-Za-z0-9-]{1,63}\.){1,8}[A-Za-z]{2,24}"
    r"(?![\w@(:-])",
    re.ASCII,
)
# Domains that belong to nobody (RFC 2606), as used in teaching.
RESERVED = re.compile(r"(?:example\.(?:com|org|net)|\.(?:example|test|invalid|local))\Z", re.I)
IBAN = re.compile(r"(?<![A-Za-z0-9])[A-Z]{2}\d{2}(?: ?[A-Z0-9]){11,30}(?![A-Za-z0-9])")
ID_CARD = re.compile(r"(?<![0-9A-Za-z])[1-9]\d{16}[0-9Xx](?![0-9A-Za-z])")
CARD = re.compile(r"(?<![\w.,-])[3-6]\d{3}(?:[ -]?\d){9,15}(?![\w-]|[.,]\d)")
# Lengths of the numbers of card issuers (ISO/IEC 7812), by their first digits.
ISSUERS = (
    (re.compile(r"4"), {13, 16, 19}),
    (re.compile(r"5[1-5]|2[2-7]|6011|64[4-9]|65|35(?:2[89]|[3-8])"), {16}),
    (re.compile(r"3[47]"), {15}),
    (re.compile(r"3(?:0[0-5]|[68])"), {14}),
    (re.compile(r"62"), {16, 17, 18, 19}),
)
# Not in paths and versions: `>= 1.2.3.4` compares versions.
IPV4 = re.compile(
    r"(?<![\w./-])(?<!version )(?<!section )(?<![=~<>!]=)(?<![=~<>!]= )"
    r"(?:\d{1,3}\.){3}\d{1,3}(?![\w-]|\.\d)",
    re.IGNORECASE,
)
IPV6 = re.compile(r"(?<![\w:.])[23][0-9a-f]{3}:[0-9a-f:]{2,34}(?![\w:]|\.\d)", re.I)
PHONE_LIKE = re.compile(r"\d(?:[^\w\n]{0,3}\d){6}")
FORMATTED = re.compile(r"[^\d+]|\A1[3-9]\d{9}\Z")


def pii(params: Pii) -> Step:
    """Personal data is redacted, or its row dropped or flagged: `mail a@b.de` -> `mail [EMAIL]`.

    Reserved domains (example.com) and private or local IP addresses are nobody's and stay.
    Checked by python-stdnum (IBAN, card, Chinese identity card) and phonenumbers.
    """
    finds: list[Find] = [FINDERS[kind] for kind in FINDERS if kind in params.kinds]
    if "phone" in params.kinds:
        finds.append(phone_finder(params.countries))
    search = Search(tuple(finds), may_be_personal, Removal.PII, Flag.PII)
    return acting(params.name, params.action, search)


def may_be_personal(text: str) -> bool:
    """The shortest number, 8.8.8.8, has four digits; fewer stand in some IPv6 addresses."""
    return "@" in text or sum(map(text.count, "0123456789")) >= 4 or "::" in text


def emails(text: str) -> Iterator[Finding]:
    for match in EMAIL.finditer(text) if "@" in text else ():
        local, _, domain = match[0].partition("@")
        if local != "git" and not RESERVED.search(domain):
            yield Finding(match.start(), match.end(), "email")


def ibans(text: str) -> Iterator[Finding]:
    for match in IBAN.finditer(text):
        if end := iban_end(match[0]):
            yield Finding(match.start(), match.start() + end, "iban")


def iban_end(text: str) -> int | None:
    """Where a valid number ends: words in capitals that follow may have been caught with it."""
    from stdnum import iban

    ends = [len(text), *(gap.start() for gap in re.finditer(" ", text))]
    return next((end for end in sorted(ends, reverse=True) if iban.is_valid(text[:end])), None)


def id_cards(text: str) -> Iterator[Finding]:
    for match in ID_CARD.finditer(text):
        from stdnum.cn import ric

        if ric.is_valid(match[0].upper()):
            yield Finding(match.start(), match.end(), "id_card")


def cards(text: str) -> Iterator[Finding]:
    for match in CARD.finditer(text):
        from stdnum import luhn

        digits = re.sub(r"\D", "", match[0])
        issued = any(start.match(digits) and len(digits) in sizes for start, sizes in ISSUERS)
        if issued and luhn.is_valid(digits):
            yield Finding(match.start(), match.end(), "card")


def ips(text: str) -> Iterator[Finding]:
    for pattern, mark in ((IPV4, "."), (IPV6, ":")):
        for match in pattern.finditer(text) if mark in text else ():
            if is_global(match[0]):
                yield Finding(match.start(), match.end(), "ip")


def is_global(text: str) -> bool:
    try:
        return ipaddress.ip_address(text).is_global
    except ValueError:
        return False


def phone_finder(countries: tuple[str, ...]) -> Find:
    """Numbers with a leading +, and those of `countries` where grouped as they are written there.

    Plain runs of digits are numbers of anything, but for Chinese mobile numbers (1 and 10 digits).
    """

    def phones(text: str) -> Iterator[Finding]:
        if not PHONE_LIKE.search(text):
            return
        from phonenumbers import Leniency, PhoneNumberMatcher

        for country in countries:
            for match in PhoneNumberMatcher(text, country, Leniency.STRICT_GROUPING):
                if FORMATTED.search(match.raw_string):
                    yield Finding(match.start, match.end, "phone")

    return phones


FINDERS: dict[str, Callable[[str], Iterator[Finding]]] = {
    "email": emails,
    "iban": ibans,
    "id_card": id_cards,
    "card": cards,
    "ip": ips,
}
