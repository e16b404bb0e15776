"""Find the format of a source by its first rows."""

from itertools import islice
from pathlib import Path

from sftlib.clean.fields import kind
from sftlib.clean.formats import CONTAINERS, FORMATS, content_suffix, read_rows
from sftlib.clean.row import renamed
from sftlib.core.errors import UsageError
from sftlib.core.params import Source
from sftlib.core.tally import Drop

ROWS = 50
CANDIDATES = (
    "messages",
    "sharegpt",
    "alpaca",
    "prompt_completion",
    "text_label",
    "reply_tree",
    "query_response",
)


def detect_format(name: str, source: Source, file: Path, max_line_bytes: int) -> str:
    """The one format that most of the first rows of `file` have.

    Raises `UsageError` with what was seen when none or several fit.
    """
    if content_suffix(file) == ".conllu":
        return "conllu"
    if content_suffix(file) not in CONTAINERS:
        raise unsure(name, f"{file.name} could be several things")
    rows = [value for _, value in islice(read_rows(file, max_line_bytes), ROWS)]
    values = [value for value in rows if not isinstance(value, Drop)]
    named = [renamed(value, source.columns) for value in values]
    fitting = [form for form in CANDIDATES if fits(form, named, source)]
    if len(fitting) > 1:  # the pairs of names that others have are among its own
        fitting = [form for form in fitting if form != "query_response"]
    if len(fitting) != 1:
        raise unsure(name, f"{file.name} has {seen(values)}: {' or '.join(fitting) or 'no format'}")
    return fitting[0]


def fits(form: str, values: list[object], source: Source) -> bool:
    """Whether nine of ten rows can be parsed; trees that have no `replies` are none."""
    if form == "reply_tree":
        return any(isinstance(value, dict) and "replies" in value for value in values)
    present = [value for value in values if not isinstance(value, Drop)]
    parsed = [FORMATS[form].parse(value, source) for value in present]
    good = sum(not isinstance(record, Drop) for record in parsed)
    return bool(values) and good >= 0.9 * len(values)


def seen(values: list[object]) -> str:
    if not values:
        return "no readable row"
    first = values[0]
    if not isinstance(first, dict):
        return f"rows that are {kind(first)}"
    return f"the fields {', '.join(map(repr, list(first)[:8]))}"


def unsure(name: str, what: str) -> UsageError:
    known = ", ".join(FORMATS)
    return UsageError(
        f"sources.{name}.format: auto cannot tell: {what}; write one of {known} "
        "(and columns: {ours: theirs} where names differ)"
    )
