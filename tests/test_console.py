"""What a person sees while a stage runs."""

import pytest

from sftlib.console.progress import plain_lines, progress


def test_a_plain_line_every_ten_seconds(capsys: pytest.CaptureFixture[str]) -> None:
    times = iter([0.0, 4.0, 11.0, 15.0, 22.0, 23.0])
    show = plain_lines("train", 5, clock=lambda: next(times))
    for done in range(1, 6):
        show(done, f"loss {done}")
    assert capsys.readouterr().err.splitlines() == [
        "train: 2/5, 11 s, loss 2",
        "train: 4/5, 22 s, loss 4",
        "train: 5/5, 23 s, loss 5",
    ]


def test_without_a_terminal_there_is_no_bar(capsys: pytest.CaptureFixture[str]) -> None:
    with progress("train", 1) as show:
        show(1, "done")
    assert capsys.readouterr().err == "train: 1/1, 0 s, done\n"
