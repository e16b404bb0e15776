"""The space that some tokenizers put before a text, and the same tokenizer without it.

Vocabularies in the manner of SentencePiece have words with their space, and add one at the start of
a text. In a conversation that is cut into pieces, most pieces do not start one.
"""

from typing import Any


def without_space(config: dict[str, Any]) -> dict[str, Any] | None:
    """The tokenizer.json that adds no space; None when it adds none anyway."""
    changed = {name: changed_part(config.get(name)) for name in ("normalizer", "pre_tokenizer")}
    return None if all(changed[name] == config.get(name) for name in changed) else config | changed


def adds_at_start_only(config: dict[str, Any]) -> bool:
    """Whether texts behind a control token get no space either."""
    steps = steps_of(config.get("pre_tokenizer")) + steps_of(config.get("normalizer"))
    schemes = [step.get("prepend_scheme") for step in steps if adds_space(step)]
    return all(scheme == "first" for scheme in schemes)


def steps_of(part: dict[str, Any] | None) -> list[dict[str, Any]]:
    if part is None:
        return []
    inner: list[dict[str, Any]] = part.get("normalizers") or part.get("pretokenizers") or [part]
    return inner


def adds_space(step: dict[str, Any]) -> bool:
    if step["type"] == "Metaspace":
        return step.get("prepend_scheme") != "never" and step.get("add_prefix_space") is not False
    is_byte_level = step["type"] == "ByteLevel"
    return step["type"] == "Prepend" or (is_byte_level and step.get("add_prefix_space") is True)


def changed_part(part: dict[str, Any] | None) -> dict[str, Any] | None:
    """A normalizer or pre-tokenizer, each step of which adds no space."""
    if part is None or not any(map(adds_space, steps_of(part))):
        return part
    if part["type"] == "Sequence":
        name = "normalizers" if "normalizers" in part else "pretokenizers"
        steps = [changed_part(step) for step in part[name]]
        return part | {name: [step for step in steps if step is not None]}
    if part["type"] == "Prepend":
        return None
    never: dict[str, Any] = {"prepend_scheme": "never", "add_prefix_space": False}
    return part | {key: value for key, value in never.items() if key in part}
