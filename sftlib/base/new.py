"""A model that no one has trained yet: random weights from a config, and a tokenizer of bytes.

The tokenizer needs no training and knows every text: a token for each of the 256 bytes, after
padding, end of text and unknown, as in ByT5 (Xue et al., arXiv 2105.13626).
"""

import json
from pathlib import Path

from sftlib.core.errors import UsageError

SPECIAL = ("<pad>", "</s>", "<unk>")
SEED = 0


def make_new(kind: str, config: dict[str, int], target: Path) -> None:
    """Write a model of transformers' type `kind`, with the sizes in `config`, and its tokenizer.

    The weights follow from kind and config alone. Raises `UsageError` for a type or a key that
    transformers does not know.
    """
    import torch
    from transformers import AutoConfig, AutoModel
    from transformers.utils.logging import disable_progress_bar

    try:
        known = AutoConfig.for_model(kind).to_dict()
    except ValueError:
        raise UsageError(f"params.yaml: base.uri: transformers has no model 'new:{kind}'") from None
    for name in config:
        if name not in known:
            some = ", ".join(n for n, value in known.items() if type(value) is int)
            raise UsageError(
                f"params.yaml: base.config.{name}: {kind} has no such size; it has {some}"
            )
    target.mkdir(parents=True)
    disable_progress_bar()
    special = {name: int(name != "pad_token_id") for name in known if name.endswith("_token_id")}
    sizes = AutoConfig.for_model(kind, vocab_size=len(SPECIAL) + 256, **special, **config)
    if sizes.is_encoder_decoder:
        sizes.decoder_start_token_id = 0
    torch.manual_seed(SEED)
    AutoModel.from_config(sizes).save_pretrained(target)
    write_tokenizer(target)


def write_tokenizer(folder: Path) -> None:
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, processors

    letters = sorted(pre_tokenizers.ByteLevel.alphabet())
    vocabulary = {token: number for number, token in enumerate([*SPECIAL, *letters])}
    tokenizer = Tokenizer(models.BPE(vocab=vocabulary, merges=[], unk_token=SPECIAL[2]))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.post_processor = processors.TemplateProcessing(
        single=f"$A {SPECIAL[1]}", special_tokens=[(SPECIAL[1], 1)]
    )
    tokenizer.add_special_tokens(list(SPECIAL))
    tokenizer.save(str(folder / "tokenizer.json"))
    names = dict(zip(("pad_token", "eos_token", "unk_token"), SPECIAL, strict=True))
    config = {"tokenizer_class": "PreTrainedTokenizerFast", **names}
    (folder / "tokenizer_config.json").write_text(json.dumps(config, indent=2) + "\n")
