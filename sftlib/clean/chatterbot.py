"""Read chatterbot-corpus: YAML files with a list of conversations, each a list of turns.

Turns are taken as written. A YAML loader would turn the answer `no` or `1.0` into something else.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.error import MarkedYAMLError, YAMLError
from ruamel.yaml.nodes import MappingNode, Node, ScalarNode, SequenceNode

from sftlib.clean.reasons import Reason
from sftlib.core.errors import DataError
from sftlib.core.tally import Drop


def read_chatterbot(path: Path, max_line_bytes: int) -> Iterator[tuple[int, list[str] | Drop]]:
    """Yield (line number, turns or the reason why there are none) of each conversation.

    Raises `DataError` when the file is no YAML or has no list `conversations`.
    """
    for node in conversations(path):
        line = node.start_mark.line + 1
        if not isinstance(node, SequenceNode):
            yield (
                line,
                Drop(Reason.WRONG_TYPE, f"a conversation is a list of turns, not {name(node)}"),
            )
            continue
        odd = next((turn for turn in node.value if not isinstance(turn, ScalarNode)), None)
        if odd is not None:
            yield line, Drop(Reason.WRONG_TYPE, f"a turn is a text, not {name(odd)}")
        elif any(len(turn.value.encode()) > max_line_bytes for turn in node.value):
            yield line, Drop(Reason.LINE_TOO_LONG, f"over {max_line_bytes:,} bytes")
        else:
            yield line, [turn.value for turn in node.value]


def conversations(path: Path) -> list[Any]:
    try:
        # The C parser builds the nodes and stops before they are given types.
        tree = YAML(typ="safe", pure=False).compose(path.read_bytes())
    except MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else 1
        raise DataError(f"{path}:{line}: not YAML: {error.problem}") from None
    except (YAMLError, UnicodeDecodeError, RecursionError) as error:
        raise DataError(f"{path}:1: not YAML: {error}") from None
    for key, value in tree.value if isinstance(tree, MappingNode) else ():
        if key.value == "conversations" and isinstance(value, SequenceNode):
            return list(value.value)
    raise DataError(f"{path}:1: no list 'conversations'; is this a chatterbot-corpus file?")


def name(node: Node) -> str:
    return {ScalarNode: "a text", SequenceNode: "a list", MappingNode: "a block"}[type(node)]
