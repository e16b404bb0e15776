"""Commands and their arguments."""

from pathlib import Path
from typing import Annotated, Literal

import typer

from sftlib.cli.acquaint import Wish
from sftlib.cli.check import print_check
from sftlib.cli.clean import Sweep, print_clean
from sftlib.cli.compare import print_compare
from sftlib.cli.new import parse_columns, print_new
from sftlib.cli.report import write_page
from sftlib.cli.show import print_pack, print_row
from sftlib.cli.space import parse_space
from sftlib.cli.stats import print_stats
from sftlib.cli.study import Search
from sftlib.cli.summary import print_summary
from sftlib.cli.tune import print_tune
from sftlib.cli.verify import print_verify
from sftlib.cli.why import print_why
from sftlib.core.errors import UsageError, exit_on_error

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
def report() -> None:
    """Write reports/index.html: one page on data, training and results, which needs no network."""
    exit_on_error(write_page)


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


@app.command()
def compare(
    revisions: Annotated[
        list[str],
        typer.Argument(
            metavar="REV...",
            help="Commits, tags, branches or experiments; the first against each other one, "
            "and a single one against the working directory.",
        ),
    ],
    json: Json = False,
) -> None:
    """Compare builds: params, rows by source and reason, metrics with an interval and a verdict."""
    exit_on_error(lambda: print_compare(revisions, json))


@app.command()
def show(
    row: Annotated[
        str | None, typer.Argument(help="data/raw/x.jsonl:17, an id, or words of the row.")
    ] = None,
    pack: Annotated[int | None, typer.Option(help="Show this pack, and no single row.")] = None,
    split: Annotated[
        Literal["train", "validation", "test"], typer.Option(help="The split of the pack.")
    ] = "train",
    json: Json = False,
) -> None:
    """Show a row's tokens and which are learned, or a pack's rows and what they share."""

    def chosen() -> None:
        if (row is None) == (pack is None):
            raise UsageError("give either a ROW or --pack N")
        if row is not None:
            print_row(row, json)
        elif pack is not None:
            print_pack(pack, split, json)

    exit_on_error(chosen)


@app.command()
def check(
    setting: Annotated[
        list[str] | None,
        typer.Option("-S", metavar="KEY=VALUE", help="Check this change of params.yaml, too."),
    ] = None,
    json: Json = False,
) -> None:
    """Check params, environment and data, and estimate memory, disk and time before a long run."""
    exit_on_error(lambda: print_check(setting or [], json))


@app.command()
def tune(
    choices: Annotated[
        list[str],
        typer.Argument(
            metavar="KEY=CHOICES...",
            help="train.lora.rank=8|16|32, train.lr=log(1e-5,1e-3), train.warmup=float(0,0.3) or "
            "train.epochs=int(1,4).",
        ),
    ],
    metric: Annotated[
        str, typer.Option(help="FILE.KEY of metrics/FILE.json; none of the test split.")
    ] = "train.validation.loss",
    trials: Annotated[
        int, typer.Option(min=1, help="How many, with those that failed or were pruned.")
    ] = 20,
    sampler: Annotated[
        Literal["bayes", "random", "grid"], typer.Option(help="How values are chosen.")
    ] = "bayes",
    name: Annotated[
        str, typer.Option(help="Of the search; the same name goes on with it.")
    ] = "tune",
    maximize: Annotated[bool, typer.Option(help="The metric is better when higher.")] = False,
    folds: Annotated[
        int | None, typer.Option(min=2, help="Take the mean over this many folds of the data.")
    ] = None,
    workers: Annotated[
        int, typer.Option(min=1, help="Experiments that run at once; or start the command twice.")
    ] = 1,
    prune: Annotated[
        int | None,
        typer.Option(
            min=1,
            metavar="N",
            help="Once N trials have ended, stop one whose validation loss is worse than their "
            "median. Off by default.",
        ),
    ] = None,
    journal: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="Holds the trials, on a disk that all clones of a search share; by default "
            ".sft/tune/NAME/journal.log.",
        ),
    ] = None,
    seed: Annotated[int, typer.Option(help="Of the choice of values.")] = 1,
    apply: Annotated[bool, typer.Option(help="Bring the best into the working directory.")] = False,
    json: Json = False,
) -> None:
    """Search params by experiments; data stages run once, failed trials are never results."""

    def search() -> None:
        space, root = parse_space(choices), Path.cwd()
        how = (trials, sampler, maximize, folds, workers, seed, prune, journal)
        print_tune(Search(root, name, metric, space, *how), apply, json)

    exit_on_error(search)


@app.command()
def new(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="A new folder, or an empty one.")],
    data: Annotated[
        Path, typer.Option(metavar="FILE", help="Rows to learn from: a file, or a folder of them.")
    ],
    recipe: Annotated[
        str, typer.Option(help="Of recipes/, or default: the params of this repository.")
    ] = "default",
    form: Annotated[
        str, typer.Option("--format", help="Of the data; see docs/formats.md.")
    ] = "auto",
    column: Annotated[
        list[str] | None,
        typer.Option(metavar="OURS=THEIRS", help="A field that has another name in the data."),
    ] = None,
    licence: Annotated[
        str, typer.Option(help="Of the data; it stands on the model card.")
    ] = "unknown",
) -> None:
    """Make a project of one's own from a recipe and a data file; see docs/your-own-project.md."""
    exit_on_error(
        lambda: print_new(Wish(folder, recipe, data, form, parse_columns(column or []), licence))
    )


@app.command()
def clean(
    yes: Annotated[bool, typer.Option("--yes", help="Remove it; without, only show.")] = False,
    days: Annotated[
        float, typer.Option(min=0, help="Keep state of .sft that is younger than this.")
    ] = 7,
    keep: Annotated[
        Literal["commits", "branches", "workspace"],
        typer.Option(
            help="Builds that stay in the cache: of all commits and experiments; of branches, tags "
            "and experiments; or of the working directory alone.",
        ),
    ] = "commits",
    project: Annotated[
        list[Path] | None,
        typer.Option(metavar="DIR", help="Another repository that uses the same cache."),
    ] = None,
    json: Json = False,
) -> None:
    """Show, and with --yes remove, what killed builds left and what no commit refers to."""
    exit_on_error(lambda: print_clean(Sweep(Path.cwd(), days, keep, project or []), yes, json))
