"""The schema of params.yaml: every key there is, its type and its limits."""

from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Annotated, Literal

from sftlib.core.config import Bounds, Faults, Pattern, build, load_yaml
from sftlib.core.operators import Operator, operator_faults

# Keys name files and stand in commands, so nothing that a shell or a path could read differently.
Name = Annotated[str, Pattern(r"[a-z0-9][a-z0-9_-]*", "lower-case letters, digits, _ and -")]
Sha256 = Annotated[str, Pattern(r"[0-9a-f]{64}", "64 hexadecimal digits")]
Uri = Annotated[str, Pattern(r"(package|git|hub):.+", "package:..., git:... or hub:...")]
Share = Annotated[float, Bounds(0, 1)]
SplitShare = Annotated[float, Bounds(0.001, 0.9)]
Positive = Annotated[int, Bounds(1)]
NotNegative = Annotated[float, Bounds(0)]


@dataclass(frozen=True)
class Fetch:
    """Something to bring from elsewhere; `sha256` is that of the downloaded wheel."""

    uri: Uri
    sha256: Sha256 | None = None


@dataclass(frozen=True)
class Base:
    """The pretrained model that training starts from."""

    uri: Uri
    licence: str
    sha256: Sha256 | None = None


@dataclass(frozen=True)
class Source:
    """Rows to build from: a file or a folder below data/raw."""

    path: str
    format: Literal["chatterbot", "messages", "prompt_completion", "text_label"]
    licence: str
    labels: tuple[str, ...] | None = None


@dataclass(frozen=True)
class Clean:
    """`max_dropped` limits faulty rows, `min_kept` what operators may take of the sound ones."""

    max_dropped: Share
    max_line_bytes: Positive
    min_kept: Share | None = None
    operators: tuple[Operator, ...] | None = None


@dataclass(frozen=True)
class NearDuplicates:
    threshold: Annotated[float, Bounds(0.3, 1)]
    ngram: Positive


@dataclass(frozen=True)
class Curate:
    near_duplicates: NearDuplicates | None


@dataclass(frozen=True)
class Split:
    validation: SplitShare
    test: SplitShare


@dataclass(frozen=True)
class Tokenize:
    max_tokens: Annotated[int, Bounds(2)]
    too_long: Literal["drop", "truncate"]
    tokens_per_pack: Annotated[int, Bounds(2)]


@dataclass(frozen=True)
class Lora:
    rank: Positive
    alpha: NotNegative
    dropout: Share


@dataclass(frozen=True)
class Train:
    device: Literal["auto", "cpu", "cuda"]
    threads: Positive
    seed: Annotated[int, Bounds(0)]
    precision: Literal["bf16", "fp32"]
    lora: Lora | None
    epochs: Positive
    packs_per_step: Positive
    lr: NotNegative
    warmup: Share
    weight_decay: NotNegative
    max_grad_norm: NotNegative | None
    validations_per_epoch: Positive
    patience: Positive | None


@dataclass(frozen=True)
class Evaluate:
    samples: Annotated[int, Bounds(0)]
    max_new_tokens: Positive


@dataclass(frozen=True)
class Run:
    """How the build runs. No stage depends on this section, so changing it rebuilds nothing."""

    workers: Positive
    checkpoint_seconds: NotNegative


@dataclass(frozen=True)
class Params:
    fetch: dict[Name, Fetch]
    base: Base
    sources: dict[Name, Source]
    clean: Clean
    curate: Curate
    split: Split
    tokenize: Tokenize
    train: Train
    evaluate: Evaluate
    run: Run


def load_params(path: Path) -> Params:
    """Read and check params.yaml; raises `UsageError` that lists every fault with its line."""
    faults = Faults(path.name)
    params = build(Params, load_yaml(path), faults)
    if params is not None:
        check_together(params, faults)
    faults.raise_if_any()
    assert params is not None
    return params


def check_together(params: Params, faults: Faults) -> None:
    """What no single key can show to be wrong."""
    for name, fetch in params.fetch.items():
        check_pinned(f"fetch.{name}", fetch, faults)
    check_pinned("base", params.base, faults)
    if not params.sources:
        faults.add("sources", "at least one source is needed")
    for name, source in params.sources.items():
        check_path(f"sources.{name}.path", source.path, faults)
        if (source.labels is not None) != (source.format == "text_label"):
            wanted = "needs" if source.format == "text_label" else "takes no"
            faults.add(f"sources.{name}.labels", f"format {source.format} {wanted} labels")
    for key, message in operator_faults(params.clean.operators or ()):
        faults.add(f"clean.operators{key}", message)
    if params.split.validation + params.split.test >= 1:
        faults.add("split", "validation and test leave no rows for training")
    if params.tokenize.tokens_per_pack < params.tokenize.max_tokens:
        faults.add("tokenize.tokens_per_pack", "must be at least tokenize.max_tokens")


def check_pinned(key: str, entry: Fetch | Base, faults: Faults) -> None:
    is_package = entry.uri.startswith("package:")
    if is_package and entry.sha256 is None:
        faults.add(f"{key}.sha256", "missing key; a package needs the sha256 of its wheel")
    if not is_package and entry.sha256 is not None:
        faults.add(f"{key}.sha256", "only packages have one; a revision pins git and hub")


def check_path(key: str, path: str, faults: Faults) -> None:
    parts = PurePosixPath(path).parts
    if ".." in parts or path.startswith(("/", "~")) or "\\" in path:
        faults.add(key, f"{path!r} leaves the repository")
    elif parts[:2] != ("data", "raw") or len(parts) < 3:
        faults.add(key, f"{path!r} must lie below data/raw")
