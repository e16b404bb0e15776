"""Load a model to be trained, and write the result."""

import fnmatch
import tempfile
from collections.abc import Callable, Iterable
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

import torch
from transformers import AutoConfig, PretrainedConfig, PreTrainedModel
from transformers.utils import logging

from sftlib.core.errors import DataError, UsageError
from sftlib.core.labels import TAGS, LabelSet
from sftlib.core.params import Train
from sftlib.train import ranks
from sftlib.train.adapters import CONFIG, Adapters, put_on, quantization
from sftlib.train.device import dtype_of
from sftlib.train.dropout import checkpointing_contexts
from sftlib.train.failures import explained_weights
from sftlib.train.gated import save_memory_of_gates
from sftlib.train.heads import CHAT, Head
from sftlib.train.norm import fuse_norms
from sftlib.train.sharding import shard

Result = TypeVar("Result")


def load_model(
    folder: Path,
    dtype: torch.dtype,
    device: torch.device,
    attention: str | None = None,
    dropout: float | None = None,
    head: Head = CHAT,
    labels: LabelSet | None = None,
    quantized: dict[str, Any] | None = None,
) -> PreTrainedModel:
    """The model in `folder`, from safetensors and without code of its own.

    A folder of adapters stands for the base beside it, in which they are merged.
    attention: in place of the head's own. dropout: in place of every one that its config has.
    head: a new one is drawn from torch's generator where the folder holds none of the kind.
    labels: what a new head is to tell apart. quantized: see `quantization`.
    """
    if (folder / CONFIG).is_file():
        base = load_model(
            folder.parent / "base", torch.float32, device, attention, dropout, head, labels
        )
        merged = put_on(base, folder)
        merged.to(dtype)  # type: ignore[arg-type]
        return merged
    logging.disable_progress_bar()  # the console shows one bar, of the training itself
    logging.set_verbosity_error()  # that a head is new is as it should be
    config = AutoConfig.from_pretrained(str(folder), local_files_only=True)
    if dropout is not None:
        override_dropout(config, dropout)
    if labels is not None:
        describe_labels(config, labels)
    model: PreTrainedModel
    with explained_weights(folder):
        model, found = head.auto.from_pretrained(
            str(folder),
            config=config,
            dtype=dtype,
            attn_implementation=attention or head.attention,
            use_safetensors=True,
            trust_remote_code=False,
            local_files_only=True,
            output_loading_info=True,
            **(quantized or {}),
        )
    check_complete(folder, model, found["missing_keys"])
    if not quantized:
        model.to(device)  # type: ignore[arg-type]
    return model


def check_complete(folder: Path, model: PreTrainedModel, missing: Iterable[str]) -> None:
    """Raise `DataError` when weights below the head are missing: they would be random."""
    below = f"{model.base_model_prefix}."
    lost = sorted(n for n in missing if n.startswith(below) and ".pooler." not in n)
    if lost:
        raise DataError(
            f"{folder.name}: {len(lost)} weights are missing from its safetensors, {lost[0]} "
            "first: is its config that of another model?"
        )


def describe_labels(config: PretrainedConfig, labels: LabelSet) -> None:
    """Say in the config how many logits the head has, and what they mean."""
    config.num_labels = labels.outputs
    if labels.names:
        config.id2label = dict(enumerate(labels.names))
        config.label2id = labels.ids
    config.problem_type = None if labels.problem == TAGS else labels.problem  # type: ignore[assignment]


def override_dropout(config: PretrainedConfig, dropout: float) -> None:
    """Set every probability that the config has for dropout; `UsageError` when it has none."""
    ends = ("dropout", "pdrop", "dropout_prob", "dropout_rate")
    names = [name for name in config.to_dict() if name.endswith(ends)]
    if not names:
        raise UsageError(f"train.dropout: models of type {config.model_type} have no dropout")
    for name in names:
        setattr(config, name, dropout)


class Trainee:
    """A model and the weights of it that are trained.

    Full fine-tuning trains fp32 weights; with LoRA the base is frozen in the precision of the
    computation and fp32 adapters are trained. Several ranks share them; saving takes one alone.
    """

    def __init__(
        self,
        folder: Path,
        train: Train,
        device: torch.device,
        head: Head = CHAT,
        labels: LabelSet | None = None,
    ) -> None:
        frozen = dtype_of(train) if train.lora else torch.float32
        quantized = quantization(train.lora, device)
        # A model in shards need not fit on one device.
        place = device if ranks.count() == 1 else torch.device("cpu")
        self.model = load_model(folder, frozen, place, None, train.dropout, head, labels, quantized)
        # Where pad is eos, padding_idx would keep the embedding of eos from being trained.
        embeddings = self.model.get_input_embeddings()
        if isinstance(embeddings, torch.nn.Embedding):
            embeddings.padding_idx = None
        self.adapters = Adapters(self.model, train.lora, head) if train.lora else None
        self.base, self.head, self.labels = folder, head, labels
        freeze(self.model, train.freeze or ())
        save_memory_of_gates(self.model)
        fuse_norms(self.model)
        if train.gradient_checkpointing:
            contexts = partial(checkpointing_contexts, device)
            self.model.gradient_checkpointing_enable(
                {"use_reentrant": False, "context_fn": contexts}
            )
        self.saved_dtype = dtype_of(train)
        self._sharded = None if ranks.count() == 1 else shard(self.model, device)

    def compute(self, function: Callable[..., Result], *arguments: Any) -> Result:
        """function(model, *arguments), while weights that lie in shards are gathered for it."""
        if self._sharded is None:
            return function(self.model, *arguments)
        result: Result = self._sharded(function, *arguments)
        return result

    @property
    def trained(self) -> dict[str, torch.nn.Parameter]:
        """Name -> weight; views into the model."""
        return {n: weight for n, weight in self.model.named_parameters() if weight.requires_grad}

    def snapshot(self) -> dict[str, torch.Tensor]:
        """A copy of the trained weights on the CPU; of several ranks, each has its shards."""
        return {name: weight.detach().cpu().clone() for name, weight in self.trained.items()}

    @torch.no_grad()
    def restore(self, weights: dict[str, torch.Tensor]) -> None:
        for name, weight in self.trained.items():
            weight.copy_(weights[name])

    def save(self, folder: Path) -> None:
        """Write the model, or its adapters, as safetensors; ends training."""
        if self.adapters is not None and not self.adapters.lora.merge:
            self.adapters.save(folder)
            return
        model = self._whole()
        model.to(self.saved_dtype)  # type: ignore[arg-type]
        model.save_pretrained(folder)

    def _whole(self) -> PreTrainedModel:
        """The model in fp32, in which adapters are merged; into a base that is not quantised."""
        if self.adapters is not None and self.adapters.lora.quantize is not None:
            with tempfile.TemporaryDirectory() as place:
                self.adapters.save(Path(place))
                cpu = torch.device("cpu")
                base = load_model(self.base, torch.float32, cpu, head=self.head, labels=self.labels)
                return put_on(base, Path(place))
        self.model.to(torch.float32)  # type: ignore[arg-type]
        return self.model if self.adapters is None else self.adapters.merge()


def freeze(model: PreTrainedModel, patterns: tuple[str, ...]) -> None:
    """Keep the weights whose names match; `UsageError` for a pattern without any, or if all do."""
    names = [name for name, weight in model.named_parameters() if weight.requires_grad]
    for pattern in patterns:
        if not fnmatch.filter(names, pattern):
            some = ", ".join(names[:3])
            raise UsageError(f"train.freeze: {pattern!r} matches no weight; there are {some}, ...")
    for name, weight in model.named_parameters():
        if any(fnmatch.fnmatchcase(name, pattern) for pattern in patterns):
            weight.requires_grad = False
    if patterns and not any(weight.requires_grad for weight in model.parameters()):
        raise UsageError("train.freeze: no weight is left to train")
