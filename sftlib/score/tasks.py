"""How the models of each task are measured."""

from collections.abc import Callable

from sftlib.score.answers import score_answers
from sftlib.score.exam import Exam, Outcome
from sftlib.score.labelled import score_labels

SCORES: dict[str, Callable[[Exam], Outcome]] = {
    "chat": score_answers,
    "classify": score_labels,
    "tag": score_labels,
    "seq2seq": score_answers,
}
