"""Secrets: keys of well-known forms, and long random values given to names such as `password`."""

import re
from collections import Counter
from collections.abc import Iterator
from math import log2

from sftlib.clean.operators.findings import Finding, Search, acting
from sftlib.clean.operators.steps import Step
from sftlib.clean.reasons import Flag, Removal
from sftlib.core.operators import Secrets

FORMS = {
    "aws_key": r"\b(?:AKIA|ASIA)[0-9A-Z]{16}\b",
    "github_token": r"\bgh[pousr]_[A-Za-z0-9]{36,255}\b|\bgithub_pat_[A-Za-z0-9_]{60,255}\b",
    "slack_token": r"\bxox[abeoprs]-[A-Za-z0-9-]{10,250}",
    "google_key": r"\bAIza[0-9A-Za-z_-]{35}(?![\w-])",
    "api_key": r"\b(?:sk|rk|pk)[-_](?:live|proj|ant|test)[-_][A-Za-z0-9_-]{16,250}",
    "jwt": r"\beyJ[A-Za-z0-9_-]{8,4000}\.eyJ[A-Za-z0-9_-]{8,4000}\.[A-Za-z0-9_-]{10,4000}",
    "private_key": r"-----BEGIN (?:[A-Z]+ )?PRIVATE KEY(?: BLOCK)?-----"
    r"[A-Za-z0-9+/=\s:,.-]{0,20000}?-----END (?:[A-Z]+ )?PRIVATE KEY(?: BLOCK)?-----",
}
SECRET = re.compile("|".join(f"(?P<{kind}>{form})" for kind, form in FORMS.items()))
# One of these is in every form and assignment: a search for them is the cheap way out.
WORDS = (
    *("akia", "asia", "ghp_", "gho_", "ghu_", "ghs_", "ghr_", "github_pat_", "xox", "aiza"),
    *("sk-", "sk_", "rk-", "rk_", "pk-", "pk_", "eyj", "-----begin"),
    *("password", "passwd", "secret", "token", "api", "access"),
)
ASSIGNMENT = re.compile(
    r"(?:password|passwd|secret|token|api[_-]?key|access[_-]?key)[\"']?\s{0,4}[:=]\s{0,4}[\"']?"
    r"(?P<value>[A-Za-z0-9+/_.~-]{16,200}={0,2})",
    re.IGNORECASE,
)
# Bits per character of the value; words and `your_api_key_here` lie below 3.5 or have no digits.
MIN_ENTROPY = 3.5


def secrets(params: Secrets) -> Step:
    """Secrets are redacted, or their row dropped or flagged: `key AKIA...` -> `key [AWS_KEY]`.

    Values that say that they are examples stay.
    """
    search = Search((known_forms, assigned), may_be_secret, Removal.SECRET, Flag.SECRET)
    return acting(params.name, params.action, search)


def may_be_secret(text: str) -> bool:
    lowered = text.lower()
    return any(word in lowered for word in WORDS)


def known_forms(text: str) -> Iterator[Finding]:
    for match in SECRET.finditer(text):
        if "EXAMPLE" not in match[0]:
            yield Finding(match.start(), match.end(), str(match.lastgroup))


def assigned(text: str) -> Iterator[Finding]:
    for match in ASSIGNMENT.finditer(text) if "=" in text or ":" in text else ():
        if is_random(match["value"]):
            yield Finding(match.start("value"), match.end("value"), "secret")


def is_random(value: str) -> bool:
    """Letters and digits without the order of words, paths or calls."""
    if "example" in value.lower() or not re.search(r"\d", value):
        return False
    return re.search(r"[A-Za-z]", value) is not None and entropy(value) >= MIN_ENTROPY


def entropy(value: str) -> float:
    """Shannon entropy in bits per character."""
    shares = [count / len(value) for count in Counter(value).values()]
    return -sum(share * log2(share) for share in shares)
