"""In which languages rows are, by a guess at a sample of them."""

from collections import Counter
from heapq import nsmallest
from pathlib import Path
from typing import Any

from sftlib.clean.operators.language import JUDGED_CHARACTERS, classifier, count_letters
from sftlib.core.operators import Language
from sftlib.core.params import Params
from sftlib.core.records import record_from_json, record_text
from sftlib.core.rows import read_folder

ROWS = 1000
UNSURE = "not told"
# The guess is as sure as the operator's that drops rows by their language.
LIMITS = Language(keep=())


def languages(root: Path, params: Params) -> dict[str, Any]:
    """{rows, of, table}: lines {language, source, rows} of the rows of the smallest ids.

    Ids are hashes of the contents, so these rows are a random sample that stays as data grows.
    """
    total = 0

    def counted() -> Any:
        nonlocal total
        for fields in read_folder(root / "data/split"):
            total += 1
            yield fields

    sample = nsmallest(ROWS, counted(), key=lambda fields: fields["id"])
    found = Counter((guess(fields), fields["source"]) for fields in sample)
    lines = sorted(found.items(), key=lambda item: (-item[1], item[0]))
    table = [{"language": code, "source": source, "rows": n} for (code, source), n in lines]
    return {"rows": len(sample), "of": total, "table": table}


def guess(fields: dict[str, Any]) -> str:
    text = record_text(record_from_json(fields))[:JUDGED_CHARACTERS]
    if count_letters(text, LIMITS.min_letters) < LIMITS.min_letters:
        return UNSURE
    code, confidence = classifier()(text)
    return code if confidence >= LIMITS.min_confidence else UNSURE
