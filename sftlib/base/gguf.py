"""Convert a GGUF file to safetensors, tokenizer and chat template."""

import os
from pathlib import Path

from sftlib.core.errors import DataError


def only_gguf(folder: Path) -> Path | None:
    """The GGUF file in `folder`, if that is what it holds; raises `DataError` for several."""
    found = sorted(folder.glob("*.gguf"))
    if len(found) > 1:
        names = ", ".join(file.name for file in found)
        raise DataError(f"base: the uri brings several GGUF files: name one of {names}")
    return found[0] if found else None


def convert_gguf(file: Path, target: Path) -> None:
    """Dequantise `file` to bf16 and write it as a model folder.

    A model loaded from GGUF cannot save itself (it believes itself quantised), so its weights move
    to a fresh one. Raises `DataError` when the file is damaged or of an unknown kind.
    """
    os.environ.setdefault("TQDM_DISABLE", "1")  # three bars for a few seconds of work
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer
    from transformers.utils.logging import disable_progress_bar

    disable_progress_bar()
    place = {"gguf_file": file.name, "local_files_only": True}
    try:
        loaded = AutoModelForCausalLM.from_pretrained(str(file.parent), **place)
        tokenizer = AutoTokenizer.from_pretrained(str(file.parent), **place)
    except Exception as error:  # whatever a reader trips over in a damaged file
        raise DataError(f"base: {file.name} cannot be converted from GGUF: {error}") from None
    config = loaded.config
    if hasattr(config, "quantization_config"):
        del config.quantization_config
    config._name_or_path = ""  # a temporary folder's name would make every build another one
    model = AutoModelForCausalLM.from_config(config, dtype=torch.bfloat16)
    model.load_state_dict(loaded.state_dict())
    model.generation_config = loaded.generation_config
    model.save_pretrained(target)
    tokenizer.save_pretrained(target)
