"""Commands and their arguments."""

from typing import Annotated

import typer

from sftlib.cli.stats import print_stats
from sftlib.cli.summary import print_summary
from sftlib.cli.verify import print_verify
from sftlib.cli.why import print_why
from sftlib.core.errors import exit_on_error

app = typer.Typer(add_completion=False, no_args_is_help=True, pretty_exceptions_enable=False)


Json = Annotated[bool, typer.Option("--json", help="Print JSON, for scripts.")]


@app.callback()
def sft() -> None:
    """Look into a build of the repository in the working directory."""


@app.command()
def summary() -> None:
    """Show where rows and time went, and base against tuned model."""
    exit_on_error(print_summary)


@app.command()
def stats(json: Json = False) -> None:
    """Show what became of the rows of each source, and why rows were dropped."""
    exit_on_error(lambda: print_stats(json))


@app.command()
def why(
    row: Annotated[str, typer.Argument(help="data/raw/x.jsonl:17, an id, or words of the row.")],
    json: Json = False,
) -> None:
    """Tell a row's life: cleaned, dropped for what, its keeper, split, tokens, training pack."""
    exit_on_error(lambda: print_why(row, json))


@app.command()
def verify(json: Json = False) -> None:
    """Hash outputs and cache again and compare them with dvc.lock; exit code 3 for a difference."""
    exit_on_error(lambda: print_verify(json))
