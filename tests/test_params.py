"""params.yaml: every fault at once, with its line."""

from pathlib import Path

import pytest
from conftest import ROOT, change_params, run

from sftlib.core.errors import UsageError
from sftlib.core.params import load_params


def faulty(tmp_path: Path, *changes: tuple[str, str]) -> Path:
    text = (ROOT / "params.yaml").read_text()
    for old, new in changes:
        assert old in text
        text = text.replace(old, new)
    path = tmp_path / "params.yaml"
    path.write_text(text)
    return path


def line_of(path: Path, start: str) -> int:
    lines = path.read_text().splitlines()
    return 1 + next(i for i, line in enumerate(lines) if line.strip().startswith(start))


def test_the_project_s_own_params_are_good() -> None:
    params = load_params(ROOT / "params.yaml")
    assert params.train.lora is not None
    assert params.train.lr == 1e-3


def test_all_faults_are_reported_at_once(tmp_path: Path) -> None:
    path = faulty(
        tmp_path,
        ("epochs: 1", "epoch: 1"),
        ("too_long: drop", "too_long: crop"),
        ("validation: 0.08", "validation: 8"),
        ("path: data/raw/about.jsonl", "path: ../about.jsonl"),
    )
    with pytest.raises(UsageError) as error:
        load_params(path)
    assert str(error.value).splitlines() == [
        f"params.yaml:{line_of(path, 'validation:')}: split.validation: "
        "must be between 0.001 and 0.9, not 8",
        f"params.yaml:{line_of(path, 'too_long:')}: tokenize.too_long: "
        "'crop' is none of drop, truncate; did you mean 'drop'?",
        f"params.yaml:{line_of(path, 'train:')}: train.epochs: missing key",
        f"params.yaml:{line_of(path, 'epoch:')}: train.epoch: unknown key; did you mean 'epochs'?",
    ]


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("path: data/raw/about.jsonl", "path: ../x.jsonl", "'../x.jsonl' leaves the repository"),
        ("path: data/raw/about.jsonl", "path: data/x", "'data/x' must lie below data/raw"),
        (
            "format: prompt_completion",
            "format: prompt_completion, labels: [a]",
            "format prompt_completion has no labels",
        ),
        ("max_tokens: 512", "max_tokens: 4096", "must be at least tokenize.max_tokens"),
        ("task: chat", "task: chats", "'chats' is none of chat, classify, tag, seq2seq; did you"),
        ("class_weights: null", "class_weights: balanced", "task chat has no classes"),
        ("licence: Apache-2.0\n", "licence: x\n  config: {a: 1}\n", "only a new model has one"),
        (
            "licence: Apache-2.0\n",
            "licence: x\n  charset: gb2312\n",
            "base.charset: only a new model",
        ),
    ],
)
def test_faults_between_keys(tmp_path: Path, old: str, new: str, message: str) -> None:
    with pytest.raises(UsageError) as error:
        load_params(faulty(tmp_path, (old, new)))
    assert message in str(error.value)


def test_exit_codes(project: Path) -> None:
    change_params(project, train={"epochz": 1})
    done = run(["python", "-m", "stages.clean", "a"], project)
    assert done.returncode == 2
    assert "train.epochz: unknown key; did you mean 'epochs'?" in done.stderr
    assert "Traceback" not in done.stderr


def test_unknown_key_of_a_stage(project: Path) -> None:
    done = run(["python", "-m", "stages.clean", "b"], project)
    assert done.returncode == 2
    expected = "error: python -m stages.clean KEY: 'b' is not in sources of params.yaml: a\n"
    assert done.stderr == expected
