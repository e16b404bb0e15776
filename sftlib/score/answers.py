"""Base against tuned model where texts are learned: loss per token, and generated answers."""

from sftlib.score.compare import MODELS, Result, compare, row_lines, samples_text
from sftlib.score.exam import Exam, Outcome
from sftlib.score.generation import CUTS, choose_questions, generate_answers
from sftlib.score.losses import row_losses


def score_answers(exam: Exam) -> Outcome:
    test, tokenizer = exam.test(), exam.tokenizer()
    questions = choose_questions(test, exam.wanted.samples, tokenizer, CUTS[exam.task])
    results = {}
    for name in MODELS:
        model = exam.model(name)
        losses = row_losses(model, test, exam.train, exam.head)
        most = exam.wanted.max_new_tokens
        answers = generate_answers(model, questions, tokenizer, most, exam.train)
        results[name] = Result(losses, answers)
    ids, sources = list(test.rows["id"]), list(test.rows["source"])
    return Outcome(
        compare(sources, questions, results),
        row_lines(ids, sources, questions, results),
        {"samples.txt": samples_text(ids, sources, questions, results)},
    )
