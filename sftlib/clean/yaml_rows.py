"""Read YAML lists of rows; scalars are texts as written, so the answer `no` stays a text."""

from collections.abc import Iterator
from math import inf
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.error import MarkedYAMLError, YAMLError
from ruamel.yaml.nodes import MappingNode, Node, ScalarNode, SequenceNode

from sftlib.clean.reasons import Reason
from sftlib.clean.streams import open_stream
from sftlib.core.errors import DataError
from sftlib.core.tally import Drop

# The nodes of a file take some ten times its size in memory.
MAX_YAML_BYTES = 32 << 20
KINDS = {ScalarNode: "a text", SequenceNode: "a list", MappingNode: "a block"}


def compose_yaml(path: Path) -> Node | None:
    """The nodes of a YAML file, before they are given types; `DataError` when it is none."""
    with open_stream(path) as stream:
        data = stream.read(MAX_YAML_BYTES + 1)
    if len(data) > MAX_YAML_BYTES:
        raise DataError(f"{path}: over {MAX_YAML_BYTES >> 20} MB: YAML is held whole; use .jsonl")
    try:
        return YAML(typ="safe", pure=False).compose(data)  # type: ignore[no-any-return]
    except MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else 1
        raise DataError(f"{path}:{line}: not YAML: {error.problem}") from None
    except (YAMLError, UnicodeDecodeError, RecursionError) as error:
        raise DataError(f"{path}:1: not YAML: {error}") from None


def read_yaml(path: Path, max_line_bytes: int) -> Iterator[tuple[int, Any | Drop]]:
    """Yield (line, value) of a file that is a list, or a block that holds one list."""
    tree = compose_yaml(path)
    lists = [tree] if isinstance(tree, SequenceNode) else []
    if isinstance(tree, MappingNode):
        lists = [value for _, value in tree.value if isinstance(value, SequenceNode)]
    if len(lists) != 1:
        raise DataError(f"{path}:1: must be a list of rows, or a block with one list of rows")
    sizes: dict[int, float] = {}
    for node in lists[0].value:
        # A few aliases of aliases can stand for more text than there is memory.
        if size_of(node, sizes) > max_line_bytes:
            row: Any = Drop(Reason.LINE_TOO_LONG, f"over {max_line_bytes:,} bytes, aliases too")
        else:
            row = plain(node)
        yield node.start_mark.line + 1, row


def size_of(node: Node, sizes: dict[int, float]) -> float:
    """Characters of `node` with its aliases written out; infinite when it holds itself."""
    if isinstance(node, ScalarNode):
        return len(node.value) + 1
    if id(node) not in sizes:
        sizes[id(node)] = inf
        pairs = node.value if isinstance(node, MappingNode) else [(item,) for item in node.value]
        sizes[id(node)] = 1 + sum(size_of(item, sizes) for pair in pairs for item in pair)
    return sizes[id(node)]


def plain(node: Node) -> Any:
    """Texts, lists and dicts."""
    if isinstance(node, SequenceNode):
        return [plain(item) for item in node.value]
    if isinstance(node, MappingNode):
        return {str(key.value): plain(value) for key, value in node.value}
    return node.value
