"""`sft new`: a project of one's own, from a recipe and a data file."""

import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from rich.console import Console

from sftlib.clean.formats import FORMATS
from sftlib.cli.acquaint import Wish, check_task, key_of, look
from sftlib.cli.check import size_of
from sftlib.cli.recipe import compose_params, recipe_file
from sftlib.console.printable import printable
from sftlib.core.errors import DataError, UsageError
from sftlib.core.params import Source, load_params

UPSTREAM = "upstream"
# Data from this size on are tracked by DVC: git keeps every version of a file for ever.
LARGE_BYTES = 5_000_000
# What the build of other data left behind, and that data.
OTHER = ("dvc.lock", "metrics", "plots", "data/raw")
# What builds write: where a later version changed it too, a merge keeps one's own.
OWN = "".join(f"{path} merge=ours\n" for path in ("dvc.lock", "metrics/**", "plots/**"))


def print_new(wish: Wish) -> None:
    """Make the project, whole or not at all, and print what to do next.

    Raises `UsageError` or `DataError` for a folder, a recipe or data that do not fit.
    """
    root = Path.cwd()
    params = load_params(recipe_file(root, wish.recipe))
    check_place(wish, root)
    source, record = look(wish, params)
    check_task(wish, root, params.task, record)
    folder = wish.folder.resolve()
    folder.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder.parent, prefix=f".{folder.name}.") as place:
        project = Path(place) / folder.name
        fill(project, root, wish, source)
        branch = command(project, "git", "rev-parse", "--abbrev-ref", "HEAD").stdout.strip()
        project.rename(folder)  # over an empty folder, too
    console = Console(markup=False, highlight=False)
    console.print(printable(next_steps(wish, source, branch)), soft_wrap=True)


def parse_columns(texts: list[str]) -> dict[str, str] | None:
    """Our name of a field -> its name in the data, of OURS=THEIRS."""
    pairs = [text.partition("=") for text in texts]
    for text, (ours, _, theirs) in zip(texts, pairs, strict=True):
        if not (ours and theirs):
            raise UsageError(f"--column {text}: write OURS=THEIRS")
    return {ours: theirs for ours, _, theirs in pairs} or None


def check_place(wish: Wish, root: Path) -> None:
    folder = wish.folder
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise UsageError(f"{folder} is not empty: give a folder that is, or a new one")
    if folder.resolve().is_relative_to(root.resolve()):
        raise UsageError(f"{folder} lies in this repository: give a folder outside of it")
    if not wish.data.exists():
        raise UsageError(f"--data {wish.data}: there is no such file or folder")
    if command(root, "git", "var", "GIT_COMMITTER_IDENT").returncode != 0:
        raise UsageError(
            "git does not know who commits: run `git config --global user.name NAME` and "
            "`git config --global user.email ADDRESS`"
        )


def fill(project: Path, root: Path, wish: Wish, source: Source) -> None:
    """Clone the repository, put params and data in place of its own, and commit."""
    do(root, "git", "clone", "--quiet", "--origin", UPSTREAM, str(root), str(project))
    origin = command(root, "git", "remote", "get-url", "origin").stdout.strip()
    for settings in (
        [] if not origin else ["remote", "set-url", UPSTREAM, origin],
        ["config", "pull.rebase", "false"],
        ["config", "merge.ours.driver", "true"],
        ["rm", "-r", "--quiet", "--ignore-unmatch", *OTHER],
    ):
        if settings:
            do(project, "git", *settings)
    with (project / ".gitattributes").open("a") as stream:
        stream.write(OWN)
    key = key_of(wish.data)
    text = compose_params(root / "params.yaml", recipe_file(root, wish.recipe), key, source)
    (project / "params.yaml").write_text(text)
    load_params(project / "params.yaml")
    bring(wish.data.absolute(), project, source)
    do(project, "git", "add", "--all")
    message = f"Start from recipe {wish.recipe} with {wish.data.name}"
    do(project, "git", "commit", "--quiet", "--message", message)


def bring(data: Path, project: Path, source: Source) -> None:
    """Copy the data, and what is read along with it, and have git or DVC track it."""
    target, beside = project / source.path, FORMATS[source.format].beside
    target.parent.mkdir(parents=True)
    if data.is_dir():
        shutil.copytree(data, target)
    else:
        shutil.copyfile(data, target)
    if beside and data.is_file() and beside(data).is_file():
        shutil.copyfile(beside(data), beside(target))
    for path in sorted((project / "data/raw").iterdir()):
        name = str(path.relative_to(project))
        if size_of(path) < LARGE_BYTES:
            do(project, "git", "add", "--force", name)
        else:
            do(project, sys.executable, "-m", "dvc", "add", "--quiet", name)


def command(folder: Path, *words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(words, cwd=folder, capture_output=True, text=True)


def do(folder: Path, *words: str) -> None:
    """Run a command; raises `DataError` with what it said when it fails."""
    done = command(folder, *words)
    if done.returncode != 0:
        raise DataError(f"`{' '.join(words[:3])}` failed: {done.stderr.strip()}")


def next_steps(wish: Wish, source: Source, branch: str) -> str:
    pull = f"git pull {UPSTREAM} {branch}"
    keeper = "DVC" if size_of(wish.data) >= LARGE_BYTES else "git"
    lines = [
        f"{wish.folder} is a project of recipe {wish.recipe} with {wish.data} as {source.path},",
        f"format {source.format}, licence {source.licence}, tracked by {keeper}.",
        "",
        f"    cd {wish.folder}",
        "    make                            # set up .venv and build",
        "    python -m sftlib.cli check      # or first see what it will need",
        f"    {pull:<32}# later, take up what is new here",
    ]
    return "\n".join(lines)
