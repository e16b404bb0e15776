"""Tokenizers in the manner of the families whose chat templates lie in tests/templates."""

import json
import shutil
import string
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from tokenizers import (
    AddedToken,
    Tokenizer,
    decoders,
    models,
    normalizers,
    pre_tokenizers,
    processors,
)

TEMPLATES = Path(__file__).parent / "templates"


@dataclass(frozen=True)
class Family:
    """What is special about a family of models.

    learned: what an answer, told by its content, makes the model learn.
    spaces: none for byte-level vocabularies; how words get a space before them in others.
    """

    control: tuple[str, ...]
    bos: str | None
    eos: str
    learned: Callable[[str], str]
    spaces: str | None = None
    system: bool = True
    tools: bool = False


IM = ("<|im_start|>", "<|im_end|>", "<|endoftext|>")
MISTRAL = ("<s>", "</s>", "[INST]", "[/INST]", "[TOOL_CALLS]", "[AVAILABLE_TOOLS]")
MISTRAL += ("[/AVAILABLE_TOOLS]", "[TOOL_RESULTS]", "[/TOOL_RESULTS]")
DEEPSEEK = ("<｜begin▁of▁sentence｜>", "<｜end▁of▁sentence｜>", "<｜User｜>", "<｜Assistant｜>")
TOOL_PARTS = ("calls▁begin", "calls▁end", "call▁begin", "call▁end", "sep")
DEEPSEEK += tuple(f"<｜tool▁{part}｜>" for part in (*TOOL_PARTS, "outputs▁begin", "outputs▁end"))
LLAMA = ("<|begin_of_text|>", "<|start_header_id|>", "<|end_header_id|>", "<|eot_id|>")
FAMILIES = {
    "chatml": Family(IM, None, "<|im_end|>", lambda said: f"{said}<|im_end|>"),
    "llama3": Family(
        LLAMA, LLAMA[0], "<|eot_id|>", lambda said: f"{said.strip()}<|eot_id|>", tools=True
    ),
    "mistral": Family(
        MISTRAL, "<s>", "</s>", lambda said: f" {said.strip()}</s>", "first", False, True
    ),
    "gemma": Family(
        ("<bos>", "<eos>", "<start_of_turn>", "<end_of_turn>"),
        "<bos>",
        "<eos>",
        lambda said: f"{said.strip()}<end_of_turn>",
        "never",
        system=False,
    ),
    "qwen3": Family(
        IM,
        None,
        "<|im_end|>",
        lambda said: "<think>\n\n</think>\n\n" + said.lstrip("\n") + "<|im_end|>",
        tools=True,
    ),
    "phi3": Family(
        ("<s>", "<|endoftext|>", "<|system|>", "<|user|>", "<|assistant|>", "<|end|>"),
        "<s>",
        "<|endoftext|>",
        lambda said: f"{said}<|end|>",
        "prepend",
    ),
    "phi4": Family((*IM, "<|im_sep|>"), None, "<|im_end|>", lambda said: f"{said}<|im_end|>"),
    "deepseek": Family(
        DEEPSEEK, DEEPSEEK[0], DEEPSEEK[1], lambda said: said + DEEPSEEK[1], tools=True
    ),
    "zephyr": Family(("<s>", "</s>"), "<s>", "</s>", lambda said: f"{said}</s>", "prepend"),
}


def write_family(name: str, folder: Path) -> Path:
    """A folder with the tokenizer and the template of a family; pad is eos, as it often is."""
    family = FAMILIES[name]
    tokenizer = byte_level() if family.spaces is None else with_spaces(family.spaces)
    tokenizer.add_special_tokens(list(family.control))
    if name == "qwen3":
        tokenizer.add_tokens([AddedToken(tag, special=False) for tag in ("<think>", "</think>")])
    if family.bos:  # the tokenizer puts one in front, and so does the template
        pair = (family.bos, tokenizer.token_to_id(family.bos))
        tokenizer.post_processor = processors.TemplateProcessing(
            single=f"{family.bos} $A", special_tokens=[pair]
        )
    folder.mkdir()
    tokenizer.save(str(folder / "tokenizer.json"))
    config = {"tokenizer_class": "PreTrainedTokenizerFast", "bos_token": family.bos}
    config |= {"eos_token": family.eos, "pad_token": family.eos}
    (folder / "tokenizer_config.json").write_text(json.dumps(config))
    shutil.copy(TEMPLATES / f"{name}.jinja", folder / "chat_template.jinja")
    return folder


def byte_level() -> Tokenizer:
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    vocab = {character: number for number, character in enumerate([*alphabet, "Yo", "ĠYo"])}
    tokenizer = Tokenizer(models.BPE(vocab=vocab, merges=[("Y", "o"), ("Ġ", "Yo")]))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    return tokenizer


def with_spaces(how: str) -> Tokenizer:
    """A vocabulary in the manner of SentencePiece, with bytes for unknown characters."""
    tokens = ["<unk>", *(f"<0x{byte:02X}>" for byte in range(256)), "▁", *string.printable[:94]]
    vocab = {token: number for number, token in enumerate([*tokens, "Yo", "▁Yo"])}
    model = models.BPE(
        vocab=vocab,
        merges=[("Y", "o"), ("▁", "Yo")],
        byte_fallback=True,
        unk_token="<unk>",
        fuse_unk=True,
    )
    tokenizer = Tokenizer(model)
    if how == "first":
        tokenizer.pre_tokenizer = pre_tokenizers.Metaspace(prepend_scheme="first", split=False)
    else:
        replace = normalizers.Replace(" ", "▁")
        steps = [normalizers.Prepend("▁"), replace] if how == "prepend" else [replace]
        tokenizer.normalizer = normalizers.Sequence(steps)
    tokenizer.decoder = decoders.Sequence(
        [decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse()]
    )
    return tokenizer
