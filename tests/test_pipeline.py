"""The whole graph with a real DVC repository and a small model: what reruns, what stays."""

import hashlib
import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from conftest import (
    LATE,
    ROOT,
    change_params,
    commit_all,
    git,
    questions,
    repro,
    run,
    write_rows,
)

from sftlib.core.rows import read_folder

pytestmark = pytest.mark.slow


def metrics(project: Path, name: str) -> dict:
    return json.loads((project / f"metrics/{name}.json").read_text())


def tree_hash(folder: Path) -> str:
    total = hashlib.sha256()
    for file in sorted(p for p in folder.rglob("*") if p.is_file()):
        total.update(file.relative_to(folder).as_posix().encode() + file.read_bytes())
    return total.hexdigest()


def test_a_second_build_runs_nothing(built: Path) -> None:
    assert repro(built) == []
    assert git(built, "status", "--porcelain") == ""


def test_the_final_model_loads_and_answers(built: Path) -> None:
    from transformers import AutoModelForCausalLM, AutoTokenizer

    model = AutoModelForCausalLM.from_pretrained(built / "models/final")
    tokenizer = AutoTokenizer.from_pretrained(built / "models/final")
    chat = [{"role": "user", "content": "what is 2 times 3?"}]
    ids = tokenizer.apply_chat_template(chat, add_generation_prompt=True, return_tensors="pt")
    output = model.generate(**ids, max_new_tokens=3, do_sample=False)
    assert output.shape[1] > ids["input_ids"].shape[1]
    card = (built / "models/final/README.md").read_text()
    assert "| a | CC0-1.0 | 80 | 80 | 80 | `data/raw/a.jsonl` |" in card


def test_tuned_beats_base_and_metrics_stand_side_by_side(built: Path) -> None:
    found = metrics(built, "evaluate")
    assert found["tuned"]["loss"] < found["base"]["loss"]
    assert set(found["tuned"]) == {
        "loss", "perplexity", "token_accuracy", "exact_match", "rouge_l", "chrf",
    }  # fmt: skip
    assert metrics(built, "train")["device"] == "cpu"


def test_origins_reach_the_end(built: Path) -> None:
    at = {e["id"]: e["at"] for e in read_folder(built / "data/ledger/tokenize/kept")}
    assert set(at.values()) == {f"data/raw/a.jsonl:{n}" for n in range(1, 81)}
    rows = [r["id"] for r in read_folder(built / "data/composed")]
    assert sorted(rows) == sorted(at)


def test_tokenized_loads_with_datasets(built: Path) -> None:
    import datasets

    loaded = datasets.load_from_disk(str(built / "data/tokenized"))
    assert sum(len(split) for split in loaded.values()) == 80
    assert loaded["train"].column_names == ["id", "source", "pack", "input_ids", "labels"]


def test_how_it_runs_rebuilds_nothing(clone: Path) -> None:
    change_params(clone, run={"workers": 1, "checkpoint_seconds": 5})
    assert repro(clone) == []


def test_an_inserted_line_moves_the_ledger_alone(clone: Path) -> None:
    rows = questions(0, 80)
    write_rows(clone / "data/raw/a.jsonl", [rows[0], *rows])  # a duplicate at the top
    # The rows are the same: what trains does not run.
    assert repro(clone) == ["clean@a", *LATE[:4], "report", "release"]
    (drop,) = read_folder(clone / "data/ledger/curate/dropped")
    assert (drop["at"], drop["reason"]) == ("data/raw/a.jsonl:2", "exact_duplicate")
    assert drop["keeper"]["at"] == "data/raw/a.jsonl:1"


def test_sources_come_and_go(clone: Path) -> None:
    write_rows(clone / "data/raw/b.jsonl", questions(100, 130))
    b = {"path": "data/raw/b.jsonl", "format": "prompt_completion", "licence": "CC0-1.0"}
    change_params(clone, sources={"b": b})
    assert repro(clone, "split") == ["clean@b", "curate", "split"]
    assert metrics(clone, "curate")["by_source"]["b"]["kept"] == 30
    a = {"path": "data/raw/a.jsonl", "format": "prompt_completion", "licence": "CC0-1.0"}
    change_params(clone, sources_={"a": a})
    assert repro(clone, "split") == ["curate"]  # split's result is known from the first build
    assert {r["source"] for r in read_folder(clone / "data/split")} == {"a"}
    assert not (clone / "data/clean/b").exists()
    assert not (clone / "metrics/clean/b.json").exists()


def test_after_a_removal_a_fresh_clone_is_clean(clone: Path, built: Path, tmp_path: Path) -> None:
    write_rows(clone / "data/raw/b.jsonl", questions(100, 130))
    entry = {"format": "prompt_completion", "licence": "CC0-1.0"}
    a, b = ({"path": f"data/raw/{name}.jsonl", **entry} for name in "ab")
    change_params(clone, sources_={"a": a, "b": b})
    repro(clone)
    commit_all(clone)
    change_params(clone, sources_={"a": a})
    repro(clone)
    commit_all(clone)
    git(tmp_path, "clone", "-q", str(clone), "fresh")
    fresh = tmp_path / "fresh"
    run(["dvc", "cache", "dir", "--local", str(built / ".dvc/cache")], fresh)
    assert run(["dvc", "checkout"], fresh).returncode == 0
    status = run(["dvc", "status"], fresh).stdout
    assert status == "Data and pipelines are up to date.\n"
    assert repro(fresh) == []
    assert git(fresh, "status", "--porcelain") == ""


def test_one_changed_row_reruns_its_source(clone: Path) -> None:
    rows = questions(0, 80)
    write_rows(clone / "data/raw/a.jsonl", [{"prompt": "new", "completion": "row"}, *rows[1:]])
    assert repro(clone, "compose") == ["clean@a", "curate", "split", "compose"]


def test_editing_a_metric_reruns_evaluate_only(clone: Path) -> None:
    with (clone / "sftlib/score/text.py").open("a") as stream:
        stream.write("# an edit\n")
    assert repro(clone) == ["evaluate"]


def test_earlier_params_come_from_the_run_cache(clone: Path) -> None:
    change_params(clone, split={"test": 0.31})
    assert repro(clone, "split") == ["split"]
    change_params(clone, split={"test": 0.12})
    assert repro(clone, "split") == []


@pytest.mark.slow
def test_a_former_model_comes_from_the_run_cache(clone: Path) -> None:
    former = tree_hash(clone / "models/tuned"), tree_hash(clone / "plots")
    rebuilt = ["compose", "tokenize", "train", "evaluate", "report", "release"]
    change_params(clone, tokenize={"tokens_per_pack": 1024})
    assert repro(clone) == rebuilt
    change_params(clone, tokenize={"tokens_per_pack": 512})
    assert repro(clone) == []
    assert (tree_hash(clone / "models/tuned"), tree_hash(clone / "plots")) == former


def test_worker_count_hash_seed_time_zone_and_folder_change_no_byte(
    clone: Path, built: Path
) -> None:
    change_params(clone, run={"workers": 4})
    done = run(["dvc", "repro", "--force", "tokenize"], clone, PYTHONHASHSEED="7", TZ="Asia/Tokyo")
    assert done.returncode == 0, done.stderr
    for name in ("clean", "ledger", "curated", "split", "composed", "tokenized"):
        assert tree_hash(clone / "data" / name) == tree_hash(built / "data" / name)


@pytest.mark.parametrize("shell", [None, "/bin/bash"])
def test_training_survives_kill_9_and_ends_the_same(
    clone: Path, built: Path, shell: str | None
) -> None:
    change_params(clone, run={"checkpoint_seconds": 0})
    environment = {k: v for k, v in os.environ.items() if k != "SHELL"}
    environment["PATH"] = f"{Path(sys.executable).parent}:{environment['PATH']}"
    if shell:
        environment["SHELL"] = shell
    dvc = subprocess.Popen(
        ["dvc", "repro", "--force", "--single-item", "train"],
        cwd=clone, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    checkpoints = clone / ".sft/checkpoints"
    while not list(checkpoints.glob("*/step-*[0-9]/position.json")):
        assert dvc.poll() is None, "training ended before its first checkpoint was seen"
    dvc.send_signal(signal.SIGKILL)
    dvc.wait()
    # A stage that outlives dvc would hold this lock; taking it waits for the kernel to end it.
    lock = next(checkpoints.glob("*.lock"))
    assert subprocess.run(["flock", "--timeout", "20", str(lock), "true"]).returncode == 0
    assert list(checkpoints.glob("*/step-*[0-9]/position.json"))
    assert repro(clone, "--force", "--single-item", "train") == ["train"]
    assert tree_hash(clone / "models/tuned") == tree_hash(built / "models/tuned")
    assert metrics(clone, "train") == metrics(built, "train")
    assert not list(checkpoints.glob("*/step-*"))


def test_experiments_keep_their_checkpoints_in_the_main_repository(clone: Path) -> None:
    readme = (ROOT / "README.md").read_text()
    (command,) = [line.split("#")[0] for line in readme.splitlines() if "dvc exp run -S" in line]
    done = run([*command.split(), "--temp"], clone)
    assert done.returncode == 0, done.stdout + done.stderr
    timings = (clone / ".sft/timings.jsonl").read_text()
    assert '"stage":"train"' in timings
    assert len(list((clone / ".sft/checkpoints").glob("*.lock"))) == 1


def test_a_killed_experiment_goes_on_where_it_was(clone: Path, built: Path) -> None:
    change_params(clone, run={"checkpoint_seconds": 0})
    commit_all(clone)
    command = ["dvc", "exp", "run", "--temp", "-S", "train.lr=0.002"]
    environment = {**os.environ, "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"}
    experiment = subprocess.Popen(
        [*command, "-n", "killed"], cwd=clone, env=environment, start_new_session=True,
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    checkpoints = clone / ".sft/checkpoints"
    while not list(checkpoints.glob("*/step-*[0-9]/position.json")):
        assert experiment.poll() is None, "the experiment ended before its first checkpoint"
    os.killpg(experiment.pid, signal.SIGKILL)
    experiment.wait()
    lock = next(checkpoints.glob("*.lock"))
    assert subprocess.run(["flock", "--timeout", "20", str(lock), "true"]).returncode == 0
    checkpoint, *_ = checkpoints.glob("*/step-*[0-9]/position.json")
    assert json.loads(checkpoint.read_text())["step"] >= 1

    resumed = run([*command, "-n", "resumed"], clone)
    assert resumed.returncode == 0, resumed.stdout + resumed.stderr
    assert not list(checkpoints.glob("*/step-*"))
    assert run(["dvc", "exp", "apply", "resumed"], clone).returncode == 0
    of_experiment = tree_hash(clone / "models/tuned")
    assert repro(clone, "--force", "--single-item", "train") == ["train"]  # without a break
    assert tree_hash(clone / "models/tuned") == of_experiment
    assert of_experiment != tree_hash(built / "models/tuned")


def test_plots_have_data(built: Path) -> None:
    done = run(["dvc", "plots", "show", "--json"], built)
    assert done.returncode == 0, done.stderr
    shown = json.loads(done.stdout)
    assert "errors" not in shown
    assert set(shown["data"]) == {
        "learning rate",
        "plots/lengths.csv",
        "plots/train_loss.csv",
        "plots/validation_loss.csv",
    }
    for plot in shown["data"].values():
        assert len(plot[0]["content"]["data"]["values"]) > 1


def test_summary(built: Path) -> None:
    done = run(["python", "-m", "sftlib.cli", "summary"], built, COLUMNS="100")
    assert done.returncode == 0, done.stderr
    assert "clean a" in done.stdout
    assert "perplexity" in done.stdout
    assert "CPU seconds" in done.stdout


def test_the_readme_s_daily_commands_run_and_rebuild_nothing(clone: Path) -> None:
    daily = (ROOT / "README.md").read_text().split("## Daily use\n")[1].split("\n## ")[0]
    commands = [line.split("#")[0].split() for line in daily.splitlines() if line[:4] == "    "]
    others = (["dvc", "exp", "run"], ["-m", "sftlib.cli", "tune"])  # other tests run these
    commands = [c for c in commands if c[:3] not in others and c[1:4] not in others]
    assert len(commands) == 15
    for command in commands:
        command = ["times" if word == "WORDS" else word for word in command]
        if command[-1] == "clean":  # the cache of the test's clone lies elsewhere
            command += ["--project", "."]
        done = run(command, clone)
        assert done.returncode == 0, (command, done.stderr)
        assert "Running stage" not in done.stdout
