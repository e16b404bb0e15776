"""The schema of params.yaml: every key there is, its type and its limits."""

from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Annotated, Literal

from sftlib.core.augmentations import Augmentation, augmentation_faults
from sftlib.core.config import Bounds, Faults, Pattern, build, load_yaml, suggestion
from sftlib.core.operators import Operator, operator_faults

# Keys name files and stand in commands, so nothing that a shell or a path could read differently.
Name = Annotated[str, Pattern(r"[a-z0-9][a-z0-9_-]*", "lower-case letters, digits, _ and -")]
Sha256 = Annotated[str, Pattern(r"[0-9a-f]{64}", "64 hexadecimal digits")]
Uri = Annotated[
    str, Pattern(r"(package|git|hub|dvc):.+", "package:..., git:..., hub:... or dvc:...")
]
BaseUri = Annotated[
    str,
    Pattern(r"(package|git|hub|dvc|new):.+", "package:..., git:..., hub:..., dvc:... or new:..."),
]
# The roles of sources whose rows must not be trained on.
HELD_OUT = ("validation", "test", "against")
Task = Literal["chat", "classify", "tag", "seq2seq"]
Share = Annotated[float, Bounds(0, 1)]
SplitShare = Annotated[float, Bounds(0.001, 0.9)]
Positive = Annotated[int, Bounds(1)]
NotNegative = Annotated[float, Bounds(0)]
Address = Annotated[str, Pattern(r".+:[0-9]+", "of the form host:port")]
Fold = Annotated[str, Pattern(r"[1-9][0-9]* of [1-9][0-9]*", "of the form '2 of 5'")]


@dataclass(frozen=True)
class Fetch:
    """Something to bring from elsewhere; `sha256` is that of the downloaded wheel."""

    uri: Uri
    sha256: Sha256 | None = None


@dataclass(frozen=True)
class Base:
    """The model that training starts from: a pretrained one, or a new one with random weights.

    config: of a model whose uri is new:TYPE, over that type's usual values.
    charset: one of Python's codecs, each of whose characters is a token of a new model; other text
        stays bytes.
    """

    uri: BaseUri
    licence: str
    sha256: Sha256 | None = None
    config: dict[str, int] | None = None
    charset: str | None = None


@dataclass(frozen=True)
class Source:
    """Rows to build from: a file or a folder below data/raw.

    labels: the labels there may be; null: any.
    columns: our name of a field -> its name in the rows.
    meta: fields that go along with a row, to split by (`curate.group`, `split.time`).
    scheme: how tags mark spans; they are checked and become IOB2. null: plain tags.
    role: rows are dealt to the splits (build), are a given split (validation, test), are an
        evaluation set that training must not have seen (against), or texts for
        `compose.pseudo_labels` (unlabelled).
    priority: among duplicates, that of the source with the highest priority is kept.
    """

    path: str
    format: Literal[
        "auto",
        "alpaca",
        "sharegpt",
        "messages",
        "prompt_completion",
        "query_response",
        "reply_tree",
        "text_label",
        "chatterbot",
        "conll",
        "conllu",
        "folder_by_class",
        "lines_by_class",
        "aligned_files",
        "tagged_lines",
        "pinyin",
        "chitchat",
    ]
    licence: str
    labels: tuple[str, ...] | None = None
    columns: dict[str, str] | None = None
    meta: tuple[str, ...] | None = None
    scheme: Literal["iob1", "iob2", "bioes"] | None = None
    role: Literal["build", "validation", "test", "against", "unlabelled"] = "build"
    priority: int = 0


@dataclass(frozen=True)
class Clean:
    """`max_dropped` limits faulty rows, `min_kept` what operators may take of the sound ones."""

    max_dropped: Share
    max_line_bytes: Positive
    min_kept: Share | None
    operators: tuple[Operator, ...] | None


@dataclass(frozen=True)
class NearDuplicates:
    threshold: Annotated[float, Bounds(0.3, 1)]
    ngram: Positive


@dataclass(frozen=True)
class Curate:
    near_duplicates: NearDuplicates | None
    same_prompt: Literal["keep", "keep_best"]
    contradictions: Literal["keep", "majority", "drop"]
    group: str | None


@dataclass(frozen=True)
class Shares:
    """How much of the distinct prompts is held out."""

    validation: SplitShare
    test: SplitShare


@dataclass(frozen=True)
class Times:
    """Rows whose `meta` says that they are from these ISO 8601 dates on are held out."""

    key: str
    validation_from: str
    test_from: str


@dataclass(frozen=True)
class Decontaminate:
    """Drop rows of train and validation that share `ngram` words in a row with held out ones.

    Word sequences found in more than `max_rows` of those rows are common phrases, no leak.
    """

    ngram: Positive
    max_rows: Positive


@dataclass(frozen=True)
class Split:
    validation: SplitShare
    test: SplitShare
    by_source: dict[Name, Shares] | None
    fold: Fold | None
    time: Times | None
    decontaminate: Decontaminate | None


@dataclass(frozen=True)
class Select:
    """Choose `rows` rows of train."""

    method: Literal["random", "longest", "ifd", "diverse"]
    rows: Positive


@dataclass(frozen=True)
class PseudoLabels:
    """Texts without a label join train with the one that is guessed with `confidence` at least.

    rounds: how often the guesser is taught anew, from the second on by its own sure guesses too.
    """

    confidence: Share
    rounds: Positive


@dataclass(frozen=True)
class Compose:
    """What the train split is made of: pseudo_labels, then select, balance_labels, caps, weights,
    and augment.

    model: folder of the model that `ifd` scores with, that `diverse` and `pseudo_labels` embed
        with, and whose words `replace_words` knows.
    """

    model: str
    pseudo_labels: PseudoLabels | None
    select: Select | None
    balance_labels: bool
    caps: dict[Name, Positive] | None
    weights: dict[Name, NotNegative] | None
    augment: tuple[Augmentation, ...] | None


@dataclass(frozen=True)
class Tokenize:
    """`train_on`: which replies are learned; `marked`: those that their rows do not mark off."""

    max_tokens: Annotated[int, Bounds(2)]
    too_long: Literal["drop", "truncate"]
    tokens_per_pack: Annotated[int, Bounds(2)]
    train_on: Literal["all_replies", "last_reply", "marked"] = "all_replies"


@dataclass(frozen=True)
class Lora:
    """Adapters; `target` names the layers that get one, null all projections but the head.

    merge: true writes the model with its adapters in it, false the adapters alone, as peft does.
    quantize: the frozen base in 4 bits, which takes CUDA and bitsandbytes.
    """

    rank: Positive
    alpha: NotNegative
    dropout: Share
    variant: Literal["lora", "rslora", "dora", "pissa"] = "lora"
    target: tuple[str, ...] | None = None
    merge: bool = True
    quantize: Literal["nf4"] | None = None


@dataclass(frozen=True)
class Train:
    device: Literal["auto", "cpu", "cuda"]
    threads: Positive
    seed: Annotated[int, Bounds(0)]
    precision: Literal["auto", "bf16", "fp32"]
    lora: Lora | None
    epochs: Positive
    packs_per_step: Positive
    lr: NotNegative
    warmup: Share
    weight_decay: NotNegative
    max_grad_norm: NotNegative | None
    layer_lr_decay: Annotated[float, Bounds(0.01, 1)]
    label_smoothing: Annotated[float, Bounds(0, 0.9)]
    dropout: Share | None
    neftune_alpha: NotNegative | None
    r_drop: NotNegative | None
    class_weights: Literal["balanced"] | None
    freeze: tuple[str, ...] | None
    ema: Share | None
    gradient_checkpointing: bool
    validations_per_epoch: Positive
    patience: Positive | None


@dataclass(frozen=True)
class Evaluate:
    samples: Annotated[int, Bounds(0)]
    max_new_tokens: Positive


@dataclass(frozen=True)
class Run:
    """How the build runs. No stage depends on this section, so changing it rebuilds nothing.

    processes: that train, on each of `nodes`, which meet at `rendezvous`, an address of one.
    """

    executor: Literal["local", "ray"]
    workers: Positive
    ray_address: Address | None
    memo_mb: Annotated[int, Bounds(0)]
    checkpoint_seconds: NotNegative
    processes: Positive
    nodes: Positive
    rendezvous: Address | None


@dataclass(frozen=True)
class Params:
    """All choices; `task` is what is learned: it decides on encoding, head, loss and scores."""

    task: Task
    fetch: dict[Name, Fetch]
    base: Base
    sources: dict[Name, Source]
    clean: Clean
    curate: Curate
    split: Split
    compose: Compose
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
        check_source(f"sources.{name}", source, faults)
        if source.role == "unlabelled" and params.task != "classify":
            faults.add(f"sources.{name}.role", f"task {params.task} has no use for {source.role}")
    for key, message in operator_faults(params.clean.operators or ()):
        faults.add(f"clean.operators{key}", message)
    check_split(params, faults)
    check_compose(params, faults)
    lora = params.train.lora
    if lora is not None and lora.variant == "pissa" and lora.quantize is not None:
        faults.add("train.lora.quantize", "cannot be combined with variant pissa")
    check_task(params, faults)
    check_ranks(params, faults)
    if params.tokenize.tokens_per_pack < params.tokenize.max_tokens:
        faults.add("tokenize.tokens_per_pack", "must be at least tokenize.max_tokens")


# The keys of a source that only some formats know.
LABELLED = ("text_label", "folder_by_class", "lines_by_class")
CHATS = ("messages", "sharegpt", "alpaca", "prompt_completion", "query_response")
ROWS_OF_FIELDS = (*CHATS, "text_label", "auto")


def check_source(key: str, source: Source, faults: Faults) -> None:
    for name, formats in (
        ("labels", (*LABELLED, "auto")),
        ("columns", ROWS_OF_FIELDS),
        ("meta", ROWS_OF_FIELDS),
        ("scheme", ("conll",)),
    ):
        if getattr(source, name) is not None and source.format not in formats:
            faults.add(f"{key}.{name}", f"format {source.format} has no {name}")
    if source.role == "unlabelled":
        if source.format not in (*LABELLED, "auto"):
            faults.add(f"{key}.role", f"unlabelled needs a format of {', '.join(LABELLED)}")
        if source.labels is not None:
            faults.add(f"{key}.labels", "an unlabelled source has none")


def check_split(params: Params, faults: Faults) -> None:
    split = params.split
    blocks: dict[str, Split | Shares] = {"split": split}
    blocks |= {f"split.by_source.{name}": s for name, s in (split.by_source or {}).items()}
    for key, shares in blocks.items():
        if shares.validation + shares.test >= 1:
            faults.add(key, "validation and test leave no rows for training")
    for name in split.by_source or {}:
        if name not in params.sources:
            faults.add(f"split.by_source.{name}", "is no source" + suggestion(name, params.sources))
    if split.fold is not None:
        number, count = map(int, split.fold.split(" of "))
        if not number <= count >= 2:
            faults.add("split.fold", f"there is no fold {split.fold}")
        if split.time is not None:
            faults.add("split.fold", "cannot be combined with split.time")
    if split.time is not None and split.time.test_from < split.time.validation_from:
        faults.add("split.time.test_from", "must not lie before validation_from")


def check_compose(params: Params, faults: Faults) -> None:
    for key, table in (("caps", params.compose.caps), ("weights", params.compose.weights)):
        for name in table or {}:
            if name not in params.sources:
                hint = suggestion(name, params.sources)
                faults.add(f"compose.{key}.{name}", "is no source" + hint)
    for key, message in augmentation_faults(params.compose.augment or (), params.task):
        faults.add(f"compose.augment{key}", message)
    if params.compose.pseudo_labels is not None:
        if params.task != "classify":
            faults.add("compose.pseudo_labels", f"task {params.task} has no labels to guess")
        elif not any(source.role == "unlabelled" for source in params.sources.values()):
            faults.add("compose.pseudo_labels", "no source has role: unlabelled")
    if params.compose.model != "models/base":
        check_path("compose.model", params.compose.model, faults)


def check_task(params: Params, faults: Faults) -> None:
    """What only some tasks know."""
    if params.train.class_weights and params.task not in ("classify", "tag"):
        faults.add("train.class_weights", f"task {params.task} has no classes")
    if params.train.r_drop is not None:
        if params.task == "chat":
            faults.add("train.r_drop", "task chat never holds all of its logits, which it compares")
        if params.train.dropout == 0 and (
            params.train.lora is None or not params.train.lora.dropout
        ):
            faults.add("train.r_drop", "needs dropout, and train.dropout is 0")
    if params.compose.select and params.compose.select.method == "ifd" and params.task != "chat":
        faults.add("compose.select.method", f"task {params.task} has no prompts: ifd needs chat")
    is_new = params.base.uri.startswith("new:")
    if is_new != (params.base.config is not None):
        what = "missing key; a new model needs its sizes" if is_new else "only a new model has one"
        faults.add("base.config", what)
    if params.base.charset is not None and not is_new:
        faults.add("base.charset", "only a new model has one")


def check_ranks(params: Params, faults: Faults) -> None:
    run, lora = params.run, params.train.lora
    if run.nodes > 1 and run.rendezvous is None:
        faults.add("run.rendezvous", "several nodes need host:port of one of them, to meet there")
    if run.nodes == 1 and run.rendezvous is not None:
        faults.add("run.rendezvous", "one node meets no other; null, or more run.nodes")
    if run.processes * run.nodes > 1 and lora is not None and lora.quantize is not None:
        faults.add("train.lora.quantize", "only one process trains on a base in 4 bits")


def check_pinned(key: str, entry: Fetch | Base, faults: Faults) -> None:
    is_package = entry.uri.startswith("package:")
    if is_package and entry.sha256 is None:
        faults.add(f"{key}.sha256", "missing key; a package needs the sha256 of its wheel")
    if not is_package and entry.sha256 is not None:
        faults.add(f"{key}.sha256", "only packages have one; a revision pins git, hub and dvc")


def check_path(key: str, path: str, faults: Faults) -> None:
    parts = PurePosixPath(path).parts
    if ".." in parts or path.startswith(("/", "~")) or "\\" in path:
        faults.add(key, f"{path!r} leaves the repository")
    elif parts[:2] != ("data", "raw") or len(parts) < 3:
        faults.add(key, f"{path!r} must lie below data/raw")
