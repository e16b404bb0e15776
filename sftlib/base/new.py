"""A model that no one has trained yet: random weights from a config, and a tokenizer of bytes.

The tokenizer needs no training and knows every text: a token for each of the 256 bytes, after
padding, end of text and unknown, as in ByT5 (Xue et al., arXiv 2105.13626). With a charset, each
of its characters is one token too, merged from its bytes in UTF-8.
"""

import json
from pathlib import Path

from sftlib.core.errors import UsageError

SPECIAL = ("<pad>", "</s>", "<unk>")
SEED = 0
# As other types draw their embeddings. T5's have 1, for Adafactor with relative steps; under AdamW
# such a model learns half as fast, and so it does where its outputs are scaled down once more.
EMBEDDING_STD = 0.05
# T5 has no other positions than these biases, which start near none: under AdamW order is learned
# last. Drawn so wide, each head looks at distances of its own from the start.
RELATIVE_BIAS_STD = 4.0
# More is no charset of one script: the codecs of Unicode itself hold a million.
MOST_CHARACTERS = 30_000


def make_new(kind: str, config: dict[str, int], charset: str | None, target: Path) -> None:
    """Write a model of transformers' type `kind`, with the sizes in `config`, and its tokenizer.

    charset: a codec of Python whose characters are tokens. The weights follow from these three
    alone. Raises `UsageError` for a type or a key that transformers does not know, or a codec that
    Python does not.
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
    vocabulary, merges = byte_tokens("" if charset is None else characters(charset))
    target.mkdir(parents=True)
    disable_progress_bar()
    special = {name: int(name != "pad_token_id") for name in known if name.endswith("_token_id")}
    sizes = AutoConfig.for_model(kind, vocab_size=len(vocabulary), **special, **config)
    if sizes.is_encoder_decoder:
        sizes.decoder_start_token_id = 0
    if hasattr(sizes, "scale_decoder_outputs"):
        sizes.scale_decoder_outputs = False
    torch.manual_seed(SEED)
    model = AutoModel.from_config(sizes)
    embeddings = model.get_input_embeddings().weight.data
    embeddings.mul_(min(1.0, EMBEDDING_STD / float(embeddings.std())))
    for name, weight in model.named_parameters():
        if name.endswith("relative_attention_bias.weight"):
            torch.nn.init.normal_(weight, std=RELATIVE_BIAS_STD)
    model.save_pretrained(target)
    write_tokenizer(vocabulary, merges, target)


def characters(charset: str) -> str:
    """All characters of a codec but those of ASCII, in their order in Unicode."""
    beyond_ascii = (chr(code) for code in range(0x80, 0x110000) if not 0xD800 <= code < 0xE000)
    try:
        found = [letter for letter in beyond_ascii if letter.encode(charset, "ignore")]
    except (LookupError, UnicodeError):
        raise UsageError(
            f"params.yaml: base.charset: Python has no charset {charset!r}; gb2312, big5, "
            "shift_jis, euc_kr, koi8_r and latin_1 are some of its"
        ) from None
    if len(found) > MOST_CHARACTERS:
        raise UsageError(
            f"params.yaml: base.charset: {charset} holds {len(found)} characters, which are too "
            f"many for tokens of a new model; at most {MOST_CHARACTERS}"
        )
    return "".join(found)


def byte_tokens(letters: str) -> tuple[dict[str, int], list[tuple[str, str]]]:
    """Token -> id of all bytes and of `letters`, and the merges of two tokens that make these.

    Tokens are written as byte-level BPE writes them, a visible letter for each byte. No merge
    reaches beyond a character, since only its first byte begins one.
    """
    from tokenizers.pre_tokenizers import ByteLevel

    as_bytes = ByteLevel(add_prefix_space=False, use_regex=False)
    merges: dict[tuple[str, str], None] = {}
    for letter in letters:
        written = as_bytes.pre_tokenize_str(letter)[0][0]
        merges |= {(written[:end], written[end]): None for end in range(1, len(written))}
    tokens = [*SPECIAL, *sorted(ByteLevel.alphabet()), *map("".join, merges)]
    return {token: number for number, token in enumerate(tokens)}, list(merges)


def write_tokenizer(
    vocabulary: dict[str, int], merges: list[tuple[str, str]], folder: Path
) -> None:
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, processors

    tokenizer = Tokenizer(models.BPE(vocab=vocabulary, merges=merges, unk_token=SPECIAL[2]))
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
