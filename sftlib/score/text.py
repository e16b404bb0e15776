"""How near an answer comes to its reference."""

from rouge_score.rouge_scorer import RougeScorer
from sacrebleu.metrics import CHRF

from sftlib.core.records import normalise
from sftlib.core.words import words


class Words:
    """The tokenizer that rouge-score asks for; its own knows ASCII letters and digits only."""

    def tokenize(self, text: str) -> list[str]:
        return words(normalise(text))


SCORER = RougeScorer(["rougeL"], tokenizer=Words())


def exact_match(answer: str, reference: str) -> float:
    """1 when both are equal but for case and white space."""
    return float(normalise(answer) == normalise(reference))


def rouge_l(answer: str, reference: str) -> float:
    """F-measure of the longest common subsequence of words (Lin, 2004), 0 to 1."""
    return float(SCORER.score(reference, answer)["rougeL"].fmeasure)


def chrf(answers: list[str], references: list[str]) -> float:
    """Character n-gram F-score of a corpus (Popović, 2015), 0 to 100."""
    return float(CHRF().corpus_score(answers, [references]).score)


def text_scores(answers: list[str], references: list[str]) -> dict[str, float]:
    """All of these over a sample; empty for an empty one."""
    if not answers:
        return {}
    pairs = list(zip(answers, references, strict=True))
    return {
        "exact_match": sum(exact_match(*pair) for pair in pairs) / len(pairs),
        "rouge_l": sum(rouge_l(*pair) for pair in pairs) / len(pairs),
        "chrf": chrf(answers, references),
    }
