r"""Patterns of RE2, and texts that stand in for what they match: `\1` is the first group."""

import re
from collections.abc import Callable, Iterator
from typing import Any

GROUP = re.compile(r"\\(\d)")


def pattern_fault(pattern: str) -> str | None:
    """Why RE2, which takes linear time whatever the pattern, cannot read it; or None."""
    import re2

    options = re2.Options()
    options.log_errors = False
    try:
        re2.compile(pattern, options)
    except re2.error as error:
        return f"not a pattern of RE2: {error.args[0].decode()}"
    return None


def replacement_faults(pattern: str, replacement: str) -> Iterator[str]:
    """A fault for each group that `replacement` names and the sound `pattern` does not have."""
    import re2

    groups = re2.compile(pattern).groups
    for group in GROUP.findall(replacement):
        if int(group) > groups:
            yield f"the pattern has no group {group}"


def filler(replacement: str) -> Callable[[Any], str]:
    """A function of a match that gives `replacement` with its groups filled in."""
    # Texts and numbers of groups by turns; re2's own templates read backslashes differently.
    pieces = GROUP.split(replacement)

    def fill(match: Any) -> str:
        return "".join(
            (match.group(int(piece)) or "") if i % 2 else piece for i, piece in enumerate(pieces)
        )

    return fill
