"""Cleaning operators: what each changes, drops, flags and leaves alone, to the letter."""

from dataclasses import fields
from pathlib import Path
from typing import Any, get_args

import pytest
from conftest import ROOT
from ftfy.badness import MOJIBAKE_CATEGORIES, is_bad
from hypothesis import given
from hypothesis import strategies as st

from sftlib.clean.operators.apply import Notes, operate
from sftlib.clean.operators.characters import MOJIBAKE_LIKE, NOISE, is_clean
from sftlib.clean.operators.table import OPERATORS, prepare
from sftlib.clean.reasons import Change, Flag, Reason, Removal
from sftlib.core import operators as ops
from sftlib.core.errors import UsageError
from sftlib.core.operators import Operator
from sftlib.core.params import load_params
from sftlib.core.records import Chat, Labeled, Message, Record, Tagged
from sftlib.core.tally import Drop

NAMES = [field.default for kind in OPERATORS for field in fields(kind) if field.name == "name"]


def chat(*texts: str) -> Chat:
    roles = ("user", "assistant")
    return Chat(tuple(Message(roles[n % 2], text) for n, text in enumerate(texts)))


def run(record: Record, *operators: Operator) -> tuple[Record | Drop, Notes]:
    notes = Notes()
    return operate(record, prepare(operators), notes), notes


def answer(text: str, *operators: Operator, prompt: str = "Tell me.") -> str:
    """What becomes of an answer."""
    result, _ = run(chat(prompt, text), *operators)
    assert isinstance(result, Chat)
    return result.messages[-1].content


def why(text: str, *operators: Operator, prompt: str = "Tell me.") -> tuple[str, str] | None:
    """The reason and detail for which an answer is dropped."""
    result, _ = run(chat(prompt, text), *operators)
    return (result.reason, result.detail) if isinstance(result, Drop) else None


CODE = "```python\nif a < b and c > d:\n    print(f'{a}  {b}')\n\n\ndef f(x): return x & y\n```"
MATHS = r"Since $\frac{1}{2} < x \leq 3$, we get 2+2=4, x^2 − 4 ≥ 0 and 6.02 × 10²³. Thus x = 2."
CHINESE = "床前明月光，疑是地上霜。\n举头望明月，低头思故乡。——李白《静夜思》"
MARKDOWN = (
    "# Title\n\n- *one*\n- two: https://example.org/a?b=1&c=2\n\n| a | b |\n|---|---|\n| 1 | 2 |"
)
DIALOGUE = "“It’s fine,” she said… “I can’t help it — I’m happy.”"
GOOD = {"code": CODE, "maths": MATHS, "chinese": CHINESE, "markdown": MARKDOWN, "talk": DIALOGUE}
ALL = (
    *(ops.RepairUnicode(), ops.Nfc(), ops.ControlCharacters(), ops.HtmlToText(), ops.WhiteSpace()),
    *(ops.Boilerplate(), ops.Length(max_characters=9000), ops.Repetition(), ops.Refusals()),
    *(ops.EmptyAnswer(), ops.Echo(), ops.TruncatedAnswer(), ops.UrlOnly(), ops.Profanity()),
    *(ops.Pii(), ops.Secrets(), ops.ScriptMix(("latin", "han", "greek"))),
    *(ops.Language(keep=("en", "zh")), ops.Regex("\x07", "drop_if_match")),
)


@pytest.mark.parametrize("name", GOOD)
def test_good_answers_pass_every_operator_unchanged(name: str) -> None:
    assert {operator.name for operator in ALL} == set(NAMES)
    result, notes = run(chat("Tell me.", GOOD[name]), *ALL)
    assert result == chat("Tell me.", GOOD[name])
    assert (notes.changed, notes.flags) == ([], [])


@pytest.mark.parametrize(
    ("operator", "before", "after"),
    [
        (ops.RepairUnicode(), "cafÃ© â€™", "café ’"),
        (ops.RepairUnicode(), "“naïve” façade, Ünïcode — 5 €", "“naïve” façade, Ünïcode — 5 €"),
        (ops.Nfc(), "e\u0301 \u1112\u1161\u11ab", "é 한"),
        (ops.ControlCharacters(), "a\u200bb\r\nc\x1b[31md\u202ee\tf\u2028g", "ab\ncde\tf\ng"),
        (ops.ControlCharacters(), "👨\u200d👩\u200d👧 क्\u200dष", "👨\u200d👩\u200d👧 क्\u200dष"),
        (ops.ControlCharacters(), "a\u200cb", "ab"),
        (ops.HtmlToText(), "<p>Hi &amp; <b>bye</b></p><ul><li>a</li></ul>", "Hi & bye\n\n- a"),
        (ops.HtmlToText(), "A &amp; B<script>x()</script><br>C", "A & B\nC"),
        (ops.HtmlToText(), "<think>Is a < b?</think> List<String>", None),
        (ops.HtmlToText(), 'x = x.replace("&", "&amp;")', None),
        (ops.HtmlToText(), "Write <b>bold</b> in HTML.", None),
        (ops.WhiteSpace(), "  a \n\tb  \n\n\n\n\nc\n \n", "  a\n\tb\n\n\nc"),
        (ops.Boilerplate(), "Sure! It is 4. I hope this helps!", "It is 4."),
        (ops.Boilerplate(), "当然！是四。希望这对你有帮助！", "是四。"),
        (ops.Boilerplate(), "Sure!", None),
        (ops.Boilerplate(openings=("Well,",)), "Well, 4. I hope this helps!", "4."),
        (ops.Boilerplate(openings=()), "Sure! It is 4. I hope this helps!", "Sure! It is 4."),
        (ops.Boilerplate(closings=("Bye!",)), "Sure! It is 4. Bye!", "It is 4."),
        (ops.Regex(r"(\d+) km", "replace", replacement=r"\1 kilometres"), "9 km", "9 kilometres"),
        (ops.Regex("Tell|x", "replace", replacement="y", of="answer"), "x", "y"),
    ],
)
def test_mends(operator: Operator, before: str, after: str | None) -> None:
    assert answer(before, operator) == (before if after is None else after)
    _, notes = run(chat("Tell me.", before), operator)
    assert notes.changed == ([operator.name] if after not in (None, before) else [])


WORDS_40 = " ".join(f"word{n}" for n in range(40))


@pytest.mark.parametrize(
    ("operator", "text", "reason", "detail"),
    [
        (ops.ControlCharacters(), "\u200b", "emptied", "turn 2 (assistant) is empty after"),
        (ops.Length(min_words=5), "No.", "too_short", "3 words, fewer than 5"),
        (ops.Length(max_words=3), "a b", "too_long", "4 words, more than 3"),
        (ops.Length(min_characters=12), "a", "too_short", "10 characters, fewer than 12"),
        (ops.Length(max_characters=9), "a", "too_long", "10 characters, more than 9"),
        (ops.Length(min_turns=3), "a", "too_short", "2 turns, fewer than 3"),
        (ops.Length(max_turns=1), "a", "too_long", "2 turns, more than 1"),
        (
            ops.Length(of="answer", max_words=3),
            "你好吗?",
            "too_long",
            "turn 2 (assistant): 4 words",
        ),
        (ops.Length(of="prompt", max_words=1), "a", "too_long", "turn 1 (user): 2 words"),
        (ops.Repetition(), "I am here. " * 20, "repetitive", "0.95 of 4-grams stood before"),
        (ops.Repetition(), "one more line of it\n" * 8, "repetitive", "0.88 of 8 lines stood"),
        (ops.Language(("zh",)), DIALOGUE * 3, "language", "en with confidence 1.00, not zh"),
        (ops.ScriptMix(("latin",)), "Привет, Tom", "script_mix", "6 of 15 letters are not latin"),
        (ops.Refusals(), "I'm sorry, but I can't assist with it.", "refusal", "turn 2 says"),
        (ops.Refusals(), "As an AI language model, I have no taste.", "refusal", "As an AI"),
        (ops.Refusals(), "很抱歉，我无法提供这些信息。", "refusal", "很抱歉，我无法提供"),
        (ops.Refusals(), "作为一个人工智能语言模型，我没有感情。", "refusal", "作为一个人工智能"),
        (ops.EmptyAnswer(), " N/A\n", "empty_answer", "turn 2 is only 'N/A'"),
        (ops.EmptyAnswer(), "\u200b\u200b", "empty_answer", "turn 2 has no visible character"),
        (ops.Echo(min_words=2), "tell  ME.", "echo", "turn 2 only repeats turn 1"),
        (ops.Echo(min_words=2), "Tell me. Tell me.", "echo", "turn 2 only repeats turn 1"),
        (ops.TruncatedAnswer(), "So:\n```\nx = 1", "truncated_answer", "leaves a code fence open"),
        (
            ops.TruncatedAnswer(min_words=5),
            "It is so. Then we go to the",
            "truncated_answer",
            "go to the'",
        ),
        (ops.UrlOnly(), "https://example.org/a www.b.org", "url_only", "turn 2 is only"),
        (ops.Pii(action="drop"), "mail a@b.de", "pii", "holds email"),
        (ops.Secrets(action="drop"), "AKIAIOSFODNN7ABCDEFG", "secret", "holds aws_key"),
        (ops.Regex("m[ae]", "drop_if_match"), "a", "regex", "turn 1 matches 'm[ae]'"),
        (ops.Regex("x", "drop_unless_match", of="answer"), "a", "regex", "no turn of the answer"),
    ],
)
def test_drops(operator: Operator, text: str, reason: str, detail: str) -> None:
    found = why(text, operator)
    assert found is not None
    assert found[0] == reason
    assert detail in found[1]


def test_every_removal_is_reached() -> None:
    (mark,) = [m for m in test_drops.pytestmark if m.name == "parametrize"]
    assert {case[2] for case in mark.args[1]} == {str(removal) for removal in Removal}


@pytest.mark.parametrize(
    ("operator", "text"),
    [
        (ops.Repetition(min_words=61), "I am here. " * 20),
        (ops.Repetition(max_ngram_share=0.96), "I am here. " * 20),
        (ops.Repetition(ngram=61), "I am here. " * 20),
        (ops.Repetition(max_line_share=0.9, ngram=40), "one more line of it\n" * 8),
        (ops.Language(("zh",), min_confidence=1.0), "Guten Morgen, my friend, ça va bien?"),
        (ops.Language(("zh",), min_letters=900), DIALOGUE * 3),
        (ops.ScriptMix(("latin", "cyrillic")), "Привет, Tom"),
        (ops.ScriptMix(("latin",), max_share=0.5), "Привет, Tom"),
        (ops.Refusals(), "I can't help it, I love it. An AI is a machine."),
        (ops.Refusals(), "He wrote: “I cannot provide it.” Then he left."),
        (ops.EmptyAnswer(), "None"),
        (ops.Echo(), "Tell me."),
        (ops.Echo(min_words=2), "Tell me. Now."),
        (ops.TruncatedAnswer(min_words=50), "It is so. Then we go to the"),
        (ops.TruncatedAnswer(), f"{WORDS_40} and"),
        (ops.TruncatedAnswer(), f"It is so. {WORDS_40}\n- milk,"),
        (ops.UrlOnly(), "See https://example.org"),
        (ops.Regex("x", "drop_if_match", of="prompt"), "x"),
    ],
)
def test_not_dropped(operator: Operator, text: str) -> None:
    assert why(text, operator) is None


@pytest.mark.parametrize(
    ("kind", "text", "redacted"),
    [
        ("email", "mail anna.b+x@mail.uni.de!", "mail [EMAIL]!"),
        ("email", "user@example.com, git@github.com:a/b, @pytest.fixture", None),
        ("phone", "Ring (202) 456-1111 or +49 30 1234567.", "Ring [PHONE] or [PHONE]."),
        ("phone", "电话：13812345678，微信", "电话：[PHONE]，微信"),
        ("phone", "1234567 rows, 2024-01-01 12:30:45, 3.14159265358979", None),
        ("card", "4111 1111 1111 1111", "[CARD]"),
        ("card", "4111 1111 1111 1112", None),
        ("iban", "DE89 3704 0044 0532 0130 00 OK", "[IBAN] OK"),
        ("iban", "DE88 3704 0044 0532 0130 00", None),
        ("id_card", "身份证11010519491231002X。", "身份证[ID_CARD]。"),
        ("id_card", "身份证110105194912310021。", None),
        ("ip", "ping 8.8.8.8 or 2001:4860:4860::8888", "ping [IP] or [IP]"),
        ("ip", "192.168.0.1, version 1.2.3.4, x>=1.2.3.4, ~= 1.4.5.0, 1.2.3.4.5", None),
    ],
)
def test_personal_data_by_kind(kind: Any, text: str, redacted: str | None) -> None:
    assert answer(text, ops.Pii(kinds=(kind,))) == (redacted or text)
    others = tuple(other for other in ops.Pii().kinds if other not in (kind, "phone"))
    assert answer(text, ops.Pii(kinds=others)) == text
    _, notes = run(chat("Tell me.", text), ops.Pii(kinds=(kind,), action="flag"))
    assert notes.flags == ([f"pii_{kind}"] if redacted else [])


def test_phone_numbers_of_a_country() -> None:
    text = "Ruf 030 1234567 an."
    assert answer(text, ops.Pii(countries=("DE",))) == "Ruf [PHONE] an."
    assert answer(text, ops.Pii()) == text


@pytest.mark.parametrize(
    ("text", "redacted"),
    [
        ("key AKIAIOSFODNN7ABCDEFG", "key [AWS_KEY]"),
        (f"ghp_{'a1B2' * 9}", "[GITHUB_TOKEN]"),
        ("xoxb-1234567890-abc", "[SLACK_TOKEN]"),
        (f"AIza{'b7' * 17}c", "[GOOGLE_KEY]"),
        ("sk-proj-abcdef1234567890ABCD", "[API_KEY]"),
        ("eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0In0.abcdefghij", "[JWT]"),
        ("-----BEGIN PRIVATE KEY-----\nMIIE\n-----END PRIVATE KEY-----", "[PRIVATE_KEY]"),
        ("password = 'x8Kq2mZ9pL4vR7tW'", "password = '[SECRET]'"),
        ("AKIAIOSFODNN7EXAMPLE, password = get_password_from_env()", None),
        ("api_key: your_api_key_goes_here", None),
        (f"sha256: {'e3b0c44298fc1c14' * 4}", None),
    ],
)
def test_secrets(text: str, redacted: str | None) -> None:
    assert answer(text, ops.Secrets()) == (redacted or text)
    _, notes = run(chat("Tell me.", text), ops.Secrets(action="flag"))
    assert bool(notes.flags) == (redacted is not None)
    assert all(flag.removeprefix("secret_").upper() in str(redacted) for flag in notes.flags)


def test_profanity_is_flagged_as_a_word_of_its_own() -> None:
    for text, flags in (
        ("Oh SHIT.", [Flag.PROFANITY]),
        ("shitake, Scunthorpe, assassin", []),
    ):
        result, notes = run(chat("Tell me.", text), ops.Profanity())
        assert (result, notes.flags) == (chat("Tell me.", text), flags)


def test_the_language_is_noted() -> None:
    _, notes = run(chat("Tell me.", CHINESE), ops.Language(("zh", "en")))
    assert notes.to_json() == {"language": "zh"}


def test_the_order_of_the_list_is_kept() -> None:
    empty, space = ops.EmptyAnswer(), ops.ControlCharacters()
    assert why("n/a\u200b", empty, space) is None
    assert why("n/a\u200b", space, empty) == ("empty_answer", "turn 2 is only 'n/a'")


def test_texts_with_labels_are_cleaned_and_words_with_tags_are_not() -> None:
    assert run(Labeled("cafÃ©", "x"), ops.RepairUnicode())[0] == Labeled("café", "x")
    tagged = Tagged(("cafÃ©",), ("O",))
    assert run(tagged, ops.RepairUnicode())[0] is tagged


ALPHABET = "aZ 1.\n" + "".join(MOJIBAKE_CATEGORIES.values()) + "ВЂГўΒΞ中"


@given(st.text(st.sampled_from(sorted(set(ALPHABET))), max_size=6))
def test_the_cheap_search_misses_no_mojibake(text: str) -> None:
    assert MOJIBAKE_LIKE.search(text) or not is_bad(text)


@given(st.text(st.characters(codec="utf-8"), max_size=8))
def test_clean_text_holds_no_noise(text: str) -> None:
    assert not is_clean(text) or text.replace("\n", "") == NOISE.sub("", text.replace("\n", ""))


@pytest.mark.parametrize(
    ("operators", "faults"),
    [
        ("[{name: nfd}]", ["7: clean.operators[0].name: 'nfd' is none of"]),
        ("[{nam: nfc}]", ["7: clean.operators[0].name: missing key; one of"]),
        ("[{name: nfc, x: 1}]", ["7: clean.operators[0].x: unknown key"]),
        ("[nfc]", ["7: clean.operators[0]: must be a block of keys, not 'nfc'"]),
        (
            "\n    - {name: nfc}\n    - {name: length, min_words: -1}",
            ["9: clean.operators[1].min_words: must be at least 0, not -1"],
        ),
        ("[{name: length}]", ["7: clean.operators[0]: needs one of min_characters"]),
        (
            "[{name: length, min_words: 2, max_words: 1}]",
            ["7: clean.operators[0].min_words: must be at most max_words"],
        ),
        (
            "[{name: length, of: answer, max_turns: 1}]",
            ["7: clean.operators[0].of: turns are those of the row"],
        ),
        ("[{name: language}]", ["7: clean.operators[0].keep: missing key"]),
        ("[{name: language, keep: []}]", ["7: clean.operators[0].keep: must name at least one"]),
        (
            "[{name: language, keep: [eng]}]",
            ["7: clean.operators[0].keep: 'eng' is no language code that py3langid knows"],
        ),
        (
            "[{name: pii, action: delete}]",
            ["7: clean.operators[0].action: 'delete' is none of redact, drop, flag"],
        ),
        (
            "[{name: pii, countries: [XX]}]",
            ["7: clean.operators[0].countries: 'XX' has no phone numbers; see ISO 3166"],
        ),
        (
            "[{name: regex, pattern: '(', action: drop_if_match}]",
            ["7: clean.operators[0].pattern: not a pattern of RE2: missing )"],
        ),
        (
            r"[{name: regex, pattern: '(?=a)', action: drop_if_match}]",
            ["7: clean.operators[0].pattern: not a pattern of RE2: invalid perl operator"],
        ),
        (
            r"[{name: regex, pattern: a, action: replace}]",
            ["7: clean.operators[0].replacement: action replace needs replacement"],
        ),
        (
            r"[{name: regex, pattern: a, action: replace, replacement: '\1'}]",
            ["7: clean.operators[0].replacement: the pattern has no group 1"],
        ),
        ("[{name: boilerplate, openings: ['']}]", ["7: clean.operators[0].openings: a phrase is"]),
    ],
)
def test_faults_of_params_name_their_line(
    tmp_path: Path, operators: str, faults: list[str]
) -> None:
    text = (ROOT / "params.yaml").read_text()
    head, rest = text.split("\nclean:\n")
    after = rest.split("\ncurate:\n")[1]
    limits = "  max_dropped: 0.05\n  max_line_bytes: 1000\n  min_kept: null\n"
    path = tmp_path / "params.yaml"
    top = "\n" * 1  # the block is put first, so that its lines are known
    path.write_text(
        f"#{top}#{top}clean:\n{limits}  operators: {operators}\n{head}\ncurate:\n{after}"
    )
    with pytest.raises(UsageError) as error:
        load_params(path)
    lines = str(error.value).splitlines()
    assert len(lines) == len(faults)
    for line, fault in zip(lines, faults, strict=True):
        assert line.startswith(f"params.yaml:{fault}")


def test_every_name_reason_flag_and_change_is_documented() -> None:
    operators = (ROOT / "docs/operators.md").read_text()
    formats = (ROOT / "docs/formats.md").read_text()
    for name in [*NAMES, *Removal, *Flag]:
        assert f"`{name}`" in operators, name
    for name in [*Reason, *Change]:
        assert f"`{name}`" in formats, name
    assert len(NAMES) == len(get_args(Operator))


def test_every_param_of_an_operator_is_documented_with_its_default() -> None:
    document = (ROOT / "docs/operators.md").read_text()
    lines = {name: row for row in document.splitlines() for name in NAMES if f"| `{name}` |" in row}
    for kind in OPERATORS:
        row = lines[kind.__dataclass_fields__["name"].default]
        for field in fields(kind):
            assert field.name == "name" or f"`{field.name}`" in row, (row, field.name)
