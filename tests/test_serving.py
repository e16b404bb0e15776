"""docs/serving.md: the real `transformers serve` and `transformers chat` on the built model."""

import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import requests
from conftest import ROOT
from servers import HERE, free_port

pytestmark = pytest.mark.slow
PAGE = (ROOT / "docs/serving.md").read_text()
SERVE, CHAT = re.findall(r"^    (\w+ .*)\n    (transformers .*)$", PAGE, re.MULTILINE)
ASK, STREAM = re.findall("```python\n(.*?)```", PAGE, re.DOTALL)
QUESTION = "What is a row ledger?"  # that of the page


@pytest.fixture(scope="module")
def environment(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """This environment's programs first, and a hub's cache that is empty."""
    path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    cache = str(tmp_path_factory.mktemp("hub"))
    checks = {"HF_HUB_DISABLE_UPDATE_CHECK": "1", "COLUMNS": "200"}
    return {**os.environ, "PATH": path, "HF_HUB_CACHE": cache, **checks}


def shell(lines: tuple[str, str], port: str) -> list[str]:
    """Two commands of the page, the second of which takes the place of the shell."""
    return ["bash", "-c", f"{lines[0]}; exec {lines[1].replace('8000', port)}"]


@pytest.fixture(scope="module")
def port(built: Path, environment: dict[str, str]) -> Iterator[str]:
    """The server of the page, at a free port; ready once it says so, ended as by Ctrl+C."""
    port = str(free_port())
    server = subprocess.Popen(
        shell(SERVE, port), cwd=built, env=environment, stderr=subprocess.PIPE, text=True
    )
    assert server.stderr is not None
    ready = f"Uvicorn running on http://localhost:{port}"
    assert any(ready in line for line in server.stderr), f"it ended with {server.wait()}"
    yield port
    server.send_signal(signal.SIGINT)
    _, rest = server.communicate()
    assert "Finished server process" in rest


@pytest.fixture(scope="module")
def expected(built: Path) -> str:
    """What `model.generate` answers to the question of the page."""
    return answer(built, 48)


def answer(project: Path, tokens: int) -> str:
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer

    folder = project / "models/final"
    model = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32)
    tokenizer = AutoTokenizer.from_pretrained(folder)
    chat = [{"role": "user", "content": QUESTION}]
    ids = tokenizer.apply_chat_template(chat, add_generation_prompt=True, return_tensors="pt")
    with torch.no_grad():
        output = model.generate(**ids, max_new_tokens=tokens, do_sample=False)
    start = ids["input_ids"].shape[1]
    return str(tokenizer.decode(output[0, start:], skip_special_tokens=True))


def test_answers_over_http_are_those_of_generate(
    port: str, expected: str, capsys: pytest.CaptureFixture[str]
) -> None:
    variables: dict[str, Any] = {}
    exec(ASK.replace("8000", port), variables)
    assert capsys.readouterr().out == expected + "\n"
    (choice,) = variables["answer"]["choices"]
    assert choice["message"] == {"role": "assistant", "content": expected}
    assert variables["answer"]["usage"]["completion_tokens"] == 48
    exec(STREAM.replace("8000", port), variables)
    # A stream holds back the bytes of a character of which the end never came.
    assert capsys.readouterr().out == expected.rstrip("\ufffd")


def test_other_addresses_and_models(port: str) -> None:
    at = f"http://{HERE}:{port}"
    assert requests.get(f"{at}/health").json() == {"status": "ok"}
    assert requests.get(f"{at}/v1/models").json() == {"object": "list", "data": []}
    ask = {"model": "models/base", "messages": [{"role": "user", "content": QUESTION}]}
    refused = requests.post(f"{at}/v1/chat/completions", json=ask)
    assert refused.status_code == 400
    assert refused.json() == {
        "detail": "Server is pinned to 'models/final'; requested 'models/base'."
    }


def test_chat(port: str, built: Path, environment: dict[str, str]) -> None:
    command = shell((CHAT[0], f"{CHAT[1]} max_new_tokens=8"), port)
    typed = f"{QUESTION}\nn\n!status\n!save\n!exit\n"
    done = subprocess.run(
        command, cwd=built, env=environment, input=typed, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    assert answer(built, 8).strip() in done.stdout
    assert "max_new_tokens" in done.stdout
    (saved,) = (built / ".sft/chats").rglob("*.json")
    assert QUESTION in saved.read_text()
