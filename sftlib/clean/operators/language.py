"""Operators on languages and scripts."""

import re
from collections.abc import Callable
from functools import cache

from sftlib.clean.operators.steps import Check, Verdict
from sftlib.clean.operators.view import View
from sftlib.clean.reasons import Removal
from sftlib.core.operators import Language, ScriptMix
from sftlib.core.tally import Drop

LETTERS = re.compile(r"[^\W\d_]+")
# What a model needs to see to be sure; longer texts cost more and tell no more.
JUDGED_CHARACTERS = 1000

SCRIPTS = {
    "latin": r"A-Za-zªºÀ-ÖØ-öø-\u02af\u1e00-\u1eff\uff21-\uff3a\uff41-\uff5a",
    "greek": r"\u0370-\u03ff\u1f00-\u1fff\xb5",
    "cyrillic": r"\u0400-\u052f",
    "hebrew": r"\u0590-\u05ff",
    "arabic": r"\u0600-\u06ff\u0750-\u077f\u08a0-\u08ff\ufb50-\ufdff\ufe70-\ufeff",
    "devanagari": r"\u0900-\u097f",
    "thai": r"\u0e00-\u0e7f",
    "kana": r"\u3040-\u30ff\u31f0-\u31ff\uff66-\uff9f",
    "han": r"\u3005-\u3007\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U000323af",
    "hangul": r"\u1100-\u11ff\u3130-\u318f\uac00-\ud7af",
}


@cache
def classifier() -> Callable[[str], tuple[str, float]]:
    """py3langid's guess: (code, probability). Loaded once a process, in about half a second."""
    from py3langid.langid import MODEL_FILE, LanguageIdentifier

    model = LanguageIdentifier.from_model_file(MODEL_FILE, norm_probs=True)
    return lambda text: model.classify(text)


def language(params: Language) -> Check:
    """Rows whose answers are in no language of `keep` are dropped, with `keep: [en]` `Bonjour ...`

    The language is noted in the ledger and counted in the metrics. Answers of few letters, and
    those of which the model is not sure (code, formulas, lists of names), are not judged.
    """

    def judge(view: View) -> Verdict | Drop | None:
        text = view.learned()[:JUDGED_CHARACTERS]
        if count_letters(text, params.min_letters) < params.min_letters:
            return None
        code, confidence = classifier()(text)
        if confidence < params.min_confidence:
            return None
        if code in params.keep:
            return Verdict(language=code)
        detail = f"{code} with confidence {confidence:.2f}, not {' or '.join(params.keep)}"
        return Verdict(Drop(Removal.LANGUAGE, detail), language=code)

    return Check(params.name, judge)


def count_letters(text: str, enough: int) -> int:
    """The letters of `text`, counted until there are `enough`."""
    count = 0
    for run in LETTERS.finditer(text):
        count += len(run[0])
        if count >= enough:
            break
    return count


def script_mix(params: ScriptMix) -> Check:
    """Rows with too many letters of other scripts are dropped, with `[latin]` `Привет, Tom`."""
    expected = re.compile("[" + "".join(SCRIPTS[name] for name in params.scripts) + "]+")
    spares_ascii = "latin" in params.scripts

    def find(view: View) -> Drop | None:
        text = "\n".join(view.texts)
        if spares_ascii and text.isascii():
            return None
        letters = "".join(LETTERS.findall(text))
        others = len(expected.sub("", letters))
        if others <= params.max_share * len(letters):
            return None
        detail = f"{others} of {len(letters)} letters are not {' or '.join(params.scripts)}"
        return Drop(Removal.SCRIPT_MIX, detail)

    return Check(params.name, find)
