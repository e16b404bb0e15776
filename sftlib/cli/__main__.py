"""`python -m sftlib.cli`: the code beside the working directory, whichever copy is installed."""

from sftlib.cli.app import app

app(prog_name="sft")
