"""Adapters on a frozen base: LoRA and its variants, by peft.

Sources: LoRA (arXiv 2106.09685), rsLoRA (2312.03732), DoRA (2402.09353), PiSSA (2404.02948), QLoRA
(2305.14314).
"""

import importlib.util
import json
import tempfile
import warnings
from pathlib import Path
from typing import Any

import torch
from transformers import PreTrainedModel

from sftlib.core.errors import UsageError
from sftlib.core.params import Lora
from sftlib.train.failures import explained_weights
from sftlib.train.heads import CHAT, Head
from sftlib.train.low_rank import fuse_adapters

CONFIG = "adapter_config.json"
# What transformers calls the heads of classifiers.
NEW_HEADS = ("classifier", "score")
VARIANTS: dict[str, dict[str, Any]] = {
    "lora": {},
    "rslora": {"use_rslora": True},
    "dora": {"use_dora": True},
    "pissa": {"init_lora_weights": "pissa"},
}


class Adapters:
    """Adapters in `model`, put there in place."""

    def __init__(self, model: PreTrainedModel, lora: Lora, head: Head = CHAT) -> None:
        """Adapters as `lora` says; a classifier's head is new and trained itself, in fp32."""
        from peft import LoraConfig, get_peft_model

        new = [name for name, _ in model.named_children() if name in NEW_HEADS]
        config = LoraConfig(
            r=lora.rank,
            lora_alpha=lora.alpha,
            lora_dropout=lora.dropout,
            target_modules="all-linear" if lora.target is None else list(lora.target),
            exclude_modules=new or None,
            modules_to_save=new or None,
            task_type=head.adapter,
            **VARIANTS[lora.variant],
        )
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", FutureWarning)  # peft asks an old name of transformers
            warnings.filterwarnings("ignore", "fan_in_fan_out is set to False")  # it then mends it
            try:
                self.wrapped = get_peft_model(model, config, autocast_adapter_dtype=True)
            except ValueError as error:
                raise UsageError(f"train.lora.target: {error}") from None
        for weight in model.parameters():
            if weight.requires_grad:
                weight.data = weight.data.float()
        fuse_adapters(model)
        self.lora = lora
        # PiSSA moves a part of the base into the adapters, which alone must not hold it twice.
        is_moved = lora.variant == "pissa" and not lora.merge
        self.start = tempfile.TemporaryDirectory() if is_moved else None
        if self.start is not None:
            self._config.init_lora_weights = True
            self.wrapped.save_pretrained(self.start.name)
            self._config.init_lora_weights = "pissa"

    @property
    def _config(self) -> Any:
        return self.wrapped.peft_config["default"]

    def merge(self) -> PreTrainedModel:
        """The base with its adapters in it; ends training."""
        merged: PreTrainedModel = self.wrapped.merge_and_unload()
        return merged

    def save(self, folder: Path) -> None:
        """Write the adapters in peft's form, to be put on the base as it was before training."""
        start = None if self.start is None else self.start.name
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", "PiSSA changes the base")  # hence the conversion
            self.wrapped.save_pretrained(
                str(folder),
                path_initial_model_for_weight_conversion=start,
                save_embedding_layers=False,
            )
        (folder / "README.md").unlink()  # the model card is made by the release
        config = json.loads((folder / CONFIG).read_text(encoding="utf-8"))
        config["base_model_name_or_path"] = "models/base"  # not where it lies on this machine
        config["target_modules"] = sorted(config["target_modules"])
        text = json.dumps(config, indent=2, sort_keys=True) + "\n"
        (folder / CONFIG).write_text(text, encoding="utf-8")


def put_on(model: PreTrainedModel, folder: Path) -> PreTrainedModel:
    """The base `model` with the adapters of `folder` merged into it."""
    from peft import PeftModel

    with warnings.catch_warnings(), explained_weights(folder):
        warnings.simplefilter("ignore", FutureWarning)
        wrapped = PeftModel.from_pretrained(model, str(folder))
    merged: PreTrainedModel = wrapped.merge_and_unload()
    return merged


def quantization(lora: Lora | None, device: torch.device) -> dict[str, Any]:
    """How transformers loads the base in 4 bits; nothing unless params say so.

    Raises `UsageError` without CUDA or bitsandbytes.
    """
    if lora is None or lora.quantize is None:
        return {}
    if device.type != "cuda" or importlib.util.find_spec("bitsandbytes") is None:
        raise UsageError(
            "params.yaml: train.lora.quantize: nf4 needs CUDA and bitsandbytes: "
            'pip install -e ".[train,qlora]" on a machine with a GPU, or set it to null'
        )
    from transformers import BitsAndBytesConfig

    config = BitsAndBytesConfig(
        load_in_4bit=True,
        bnb_4bit_quant_type=lora.quantize,
        bnb_4bit_compute_dtype=torch.bfloat16,
        bnb_4bit_use_double_quant=True,
    )
    return {"quantization_config": config, "device_map": {"": device}}
