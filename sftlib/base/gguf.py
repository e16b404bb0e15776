"""Convert a GGUF file to safetensors, tokenizer and chat template."""

from pathlib import Path


def convert_gguf(file: Path, target: Path) -> None:
    """Dequantise `file` to bf16 and write it as a model folder.

    A model loaded from GGUF cannot save itself (it believes itself quantised), so its weights move
    to a fresh one.
    """
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer
    from transformers.utils.logging import disable_progress_bar

    disable_progress_bar()  # three bars for a few seconds of work
    place = {"gguf_file": file.name, "local_files_only": True}
    loaded = AutoModelForCausalLM.from_pretrained(str(file.parent), **place)
    config = loaded.config
    if hasattr(config, "quantization_config"):
        del config.quantization_config
    config._name_or_path = ""  # a temporary folder's name would make every build another one
    model = AutoModelForCausalLM.from_config(config, dtype=torch.bfloat16)
    model.load_state_dict(loaded.state_dict())
    model.generation_config = loaded.generation_config
    model.save_pretrained(target)
    AutoTokenizer.from_pretrained(str(file.parent), **place).save_pretrained(target)
