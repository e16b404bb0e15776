"""Real but small components: a model that fits in a git repository, and a project that uses it."""

import json
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from ruamel.yaml import YAML

os.environ["HF_HUB_OFFLINE"] = "1"
# Shells start commands in the background with SIGINT ignored, and processes hand that on.
signal.signal(signal.SIGINT, signal.default_int_handler)

ROOT = Path(__file__).resolve().parents[1]
CHATML = (
    "{% for m in messages %}{{ '<|im_start|>' + m['role'] + '\\n' + m['content'] + '<|im_end|>' "
    "+ '\\n' }}{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|im_start|>assistant\\n' }}{% endif %}"
)


@pytest.fixture(scope="session")
def tiny_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A random Llama of two layers with a byte-level tokenizer and the ChatML template."""
    import torch
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
    from transformers import LlamaConfig, LlamaForCausalLM

    folder = tmp_path_factory.mktemp("model")
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=300,
        special_tokens=["<|im_start|>", "<|im_end|>"],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator(["user assistant what is the answer"] * 9, trainer)
    tokenizer.save(str(folder / "tokenizer.json"))
    special = {"bos_token": "<|im_start|>", "eos_token": "<|im_end|>", "pad_token": "<|im_end|>"}
    config = {"tokenizer_class": "PreTrainedTokenizerFast", **special}
    (folder / "tokenizer_config.json").write_text(json.dumps(config))
    (folder / "chat_template.jinja").write_text(CHATML)
    torch.manual_seed(0)
    sizes = {"hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 2}
    heads = {"num_attention_heads": 4, "num_key_value_heads": 2}
    llama = LlamaConfig(
        vocab_size=300, **sizes, **heads, eos_token_id=1, bos_token_id=0, pad_token_id=1
    )
    LlamaForCausalLM(llama).save_pretrained(folder)
    return folder


def run(command: list[str], folder: Path, **variables: str) -> subprocess.CompletedProcess[str]:
    """Run a command with the environment of these tests first on PATH."""
    bin = str(Path(sys.executable).parent)
    environment = {**os.environ, "PATH": f"{bin}:{os.environ['PATH']}", **variables}
    return subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True)


def git(folder: Path, *arguments: str) -> str:
    identity = ["-c", "user.name=Test", "-c", "user.email=test@localhost"]
    done = run(["git", *identity, *arguments], folder)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def commit_all(folder: Path) -> str:
    git(folder, "add", "-A")
    git(folder, "commit", "-qm", "state")
    return git(folder, "rev-parse", "HEAD")


def change_params(project: Path, **sections: dict[str, object]) -> None:
    """Update keys of sections of params.yaml; a section given as `x_` is replaced whole."""
    path, yaml = project / "params.yaml", YAML()
    params = yaml.load(path)
    for name, keys in sections.items():
        if name.endswith("_"):
            params[name[:-1]] = keys
        else:
            params[name].update(keys)
    with path.open("w") as stream:
        yaml.dump(params, stream)


def write_rows(path: Path, rows: list[dict[str, object]]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))


def questions(first: int, last: int) -> list[dict[str, object]]:
    return [
        {"prompt": f"what is {n} times {n + 1}?", "completion": f"it is {n * n + n}"}
        for n in range(first, last)
    ]


def new_project(folder: Path, model: Path) -> Path:
    """A copy of this repository that builds the tiny model from 80 rows."""
    store = folder / "store"
    shutil.copytree(model, store / "model")
    git(store, "init", "-q")
    revision = commit_all(store)
    project = folder / "project"
    listed = run(["git", "ls-files", "-co", "--exclude-standard"], ROOT).stdout.splitlines()
    for name in listed:
        wanted = name not in ("dvc.lock",) and not name.startswith(("metrics/", "plots/"))
        if wanted and (ROOT / name).is_file():
            (project / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(ROOT / name, project / name)
    write_rows(project / "data/raw/a.jsonl", questions(0, 80))
    source = {"path": "data/raw/a.jsonl", "format": "prompt_completion", "licence": "CC0-1.0"}
    change_params(
        project,
        fetch_={},
        base_={"uri": f"git:{store}#model@{revision}", "licence": "CC0-1.0"},
        sources_={"a": source},
        tokenize={"tokens_per_pack": 512},
        train={"threads": 1, "precision": "fp32"},
        evaluate={"samples": 3, "max_new_tokens": 4},
    )
    git(project, "init", "-q")
    commit_all(project)
    return project


@pytest.fixture
def project(tmp_path: Path, tiny_model: Path) -> Path:
    return new_project(tmp_path, tiny_model)


def repro(project: Path, *arguments: str) -> list[str]:
    """Run `dvc repro` and return the names of the stages that ran."""
    done = run(["dvc", "repro", *arguments], project)
    assert done.returncode == 0, done.stdout + done.stderr
    lines = done.stdout.splitlines()
    return [line.split("'")[1] for line in lines if line.startswith("Running stage")]


LATE = ["curate", "split", "compose", "tokenize", "train", "evaluate", "report", "release"]


@pytest.fixture(scope="session")
def built(tmp_path_factory: pytest.TempPathFactory, tiny_model: Path) -> Path:
    project = new_project(tmp_path_factory.mktemp("built"), tiny_model)
    assert repro(project) == ["base", "clean@a", *LATE]
    commit_all(project)
    return project


@pytest.fixture
def clone(built: Path, tmp_path: Path) -> Path:
    """A clone of the built project that shares its cache."""
    return clone_of(built, built / ".dvc/cache", tmp_path / "clone")


def clone_of(repository: Path, cache: Path, project: Path) -> Path:
    git(project.parent, "clone", "-q", str(repository), project.name)
    for key, value in (("user.name", "Test"), ("user.email", "test@localhost")):
        git(project, "config", key, value)  # DVC stashes by them; the home may have none
    assert run(["dvc", "cache", "dir", "--local", str(cache)], project).returncode == 0
    assert run(["dvc", "checkout"], project).returncode == 0
    return project
