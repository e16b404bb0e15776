"""Read chatterbot-corpus: YAML files with a list of conversations, each a list of turns."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from ruamel.yaml.nodes import MappingNode, ScalarNode, SequenceNode

from sftlib.clean.reasons import Reason
from sftlib.clean.yaml_rows import KINDS, compose_yaml
from sftlib.core.errors import DataError
from sftlib.core.tally import Drop


def read_chatterbot(path: Path, max_line_bytes: int) -> Iterator[tuple[int, list[str] | Drop]]:
    """Yield (line number, turns or the reason why there are none) of each conversation.

    Raises `DataError` when the file is no YAML or has no list `conversations`.
    """
    for node in conversations(path):
        line = node.start_mark.line + 1
        if not isinstance(node, SequenceNode):
            found = KINDS[type(node)]
            yield line, Drop(Reason.WRONG_TYPE, f"a conversation is a list of turns, not {found}")
            continue
        odd = next((turn for turn in node.value if not isinstance(turn, ScalarNode)), None)
        if odd is not None:
            yield line, Drop(Reason.WRONG_TYPE, f"a turn is a text, not {KINDS[type(odd)]}")
        elif any(len(turn.value.encode()) > max_line_bytes for turn in node.value):
            yield line, Drop(Reason.LINE_TOO_LONG, f"over {max_line_bytes:,} bytes")
        else:
            yield line, [turn.value for turn in node.value]


def conversations(path: Path) -> list[Any]:
    tree = compose_yaml(path)
    for key, value in tree.value if isinstance(tree, MappingNode) else ():
        if key.value == "conversations" and isinstance(value, SequenceNode):
            return list(value.value)
    raise DataError(f"{path}:1: no list 'conversations'; is this a chatterbot-corpus file?")
