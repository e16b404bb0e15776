"""Commands and their arguments."""

import typer

from sftlib.cli.summary import print_summary
from sftlib.core.errors import exit_on_error

app = typer.Typer(add_completion=False, no_args_is_help=True, pretty_exceptions_enable=False)


@app.callback()
def sft() -> None:
    """Look into a build of the repository in the working directory."""


@app.command()
def summary() -> None:
    """Show where rows and time went, and base against tuned model."""
    exit_on_error(print_summary)
