"""Read a YAML file into frozen dataclasses; every fault is reported at once, with its line."""

import dataclasses
import difflib
import re
import types
import typing
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, TypeVar, Union, get_args, get_origin

from ruamel.yaml import YAML
from ruamel.yaml.comments import CommentedMap, CommentedSeq
from ruamel.yaml.error import MarkedYAMLError, YAMLError

from sftlib.core.errors import UsageError

T = TypeVar("T")


@dataclass(frozen=True)
class Bounds:
    """Inclusive limits of a number, attached with `Annotated[int, Bounds(1)]`."""

    low: float
    high: float = float("inf")

    def __str__(self) -> str:
        if self.high == float("inf"):
            return f"at least {self.low:g}"
        return f"between {self.low:g} and {self.high:g}"


@dataclass(frozen=True)
class Pattern:
    """What a text must look like, attached with `Annotated[str, Pattern(...)]`."""

    regex: str
    meaning: str


class Faults:
    """Collects faults of one file, each at a dotted key, and reports them together."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.lines: dict[str, int] = {}
        self.found: list[tuple[int, str]] = []

    def add(self, key: str, message: str) -> None:
        """Record a fault at `key`, at its line or at that of the nearest key above it."""
        line, parent = self.lines.get(key, 0), key
        while not line and "." in parent:
            parent = parent.rpartition(".")[0]
            line = self.lines.get(parent, 0)
        self.found.append((line or 1, f"{key}: {message}"))

    def raise_if_any(self) -> None:
        if self.found:
            lines = [f"{self.name}:{line}: {text}" for line, text in sorted(self.found)]
            raise UsageError("\n".join(lines))


def load_yaml(path: Path) -> Any:
    """Parse YAML 1.2 (`1e-5` is a number and `no` a text), keeping the lines of keys."""
    try:
        return YAML().load(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise UsageError(f"{path} is missing: run in the root of the repository") from None
    except MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else 1
        raise UsageError(f"{path.name}:{line}: not YAML: {error.problem}") from None
    except (YAMLError, UnicodeDecodeError) as error:
        raise UsageError(f"{path.name}:1: not YAML: {error}") from None


def build(kind: type[T], node: Any, faults: Faults) -> T | None:
    """Turn a parsed YAML file into `kind`; what does not fit goes to `faults`."""
    remember_lines(node, "", faults.lines)
    result = convert(kind, node, "", faults)
    return result if isinstance(result, kind) else None


def remember_lines(node: Any, key: str, lines: dict[str, int]) -> None:
    if isinstance(node, CommentedMap):
        for name in node:
            child = f"{key}.{name}" if key else str(name)
            lines[child] = node.lc.key(name)[0] + 1
            remember_lines(node[name], child, lines)
    elif isinstance(node, CommentedSeq):
        for i, item in enumerate(node):
            lines[f"{key}[{i}]"] = node.lc.item(i)[0] + 1
            remember_lines(item, f"{key}[{i}]", lines)


def convert(kind: Any, node: Any, key: str, faults: Faults) -> Any:
    """The value of type `kind` that `node` stands for, or None after recording a fault."""
    origin = get_origin(kind)
    if dataclasses.is_dataclass(kind):
        return convert_dataclass(kind, node, key, faults)
    if origin is typing.Annotated:
        base, limit = get_args(kind)
        return check_limit(convert(base, node, key, faults), limit, key, faults)
    if origin in (Union, types.UnionType):
        if node is None and types.NoneType in get_args(kind):
            return None
        inner = [arg for arg in get_args(kind) if arg is not types.NoneType]
        if len(inner) > 1:
            return convert_variant(inner, node, key, faults)
        return convert(inner[0], node, key, faults)
    if origin is Literal:
        return convert_choice(get_args(kind), node, key, faults)
    if origin is dict:
        return convert_table(get_args(kind), node, key, faults)
    if origin is tuple:
        return convert_list(get_args(kind)[0], node, key, faults)
    return convert_scalar(kind, node, key, faults)


def convert_dataclass(kind: Any, node: Any, key: str, faults: Faults) -> Any:
    if not isinstance(node, dict):
        faults.add(key or "(file)", f"must be a block of keys, not {shown(node)}")
        return None
    hints = typing.get_type_hints(kind, include_extras=True)
    for name in node:
        if name not in hints:
            faults.add(dotted(key, name), "unknown key" + suggestion(str(name), hints))
    values, before = {}, len(faults.found)
    for field in dataclasses.fields(kind):
        if field.name in node:
            at = dotted(key, field.name)
            values[field.name] = convert(hints[field.name], node[field.name], at, faults)
        elif field.default is dataclasses.MISSING:
            faults.add(dotted(key, field.name), "missing key")
    return kind(**values) if len(faults.found) == before else None


def convert_variant(kinds: list[Any], node: Any, key: str, faults: Faults) -> Any:
    """One of several dataclasses, told apart by `name`, in each a Literal of a single choice."""
    if not isinstance(node, dict):
        faults.add(key, f"must be a block of keys, not {shown(node)}")
        return None
    variants = {get_args(typing.get_type_hints(kind)["name"])[0]: kind for kind in kinds}
    at = dotted(key, "name")
    if "name" not in node:
        faults.add(at, f"missing key; one of {', '.join(variants)}")
        return None
    name = convert_choice(tuple(variants), node["name"], at, faults)
    return None if name is None else convert_dataclass(variants[name], node, key, faults)


def convert_table(arguments: Any, node: Any, key: str, faults: Faults) -> Any:
    name_kind, value_kind = arguments
    if not isinstance(node, dict):
        faults.add(key, f"must be a block of keys, not {shown(node)}")
        return None
    table = {}
    for name, value in node.items():
        at = dotted(key, name)
        table[convert(name_kind, name, at, faults)] = convert(value_kind, value, at, faults)
    return table


def convert_list(kind: Any, node: Any, key: str, faults: Faults) -> Any:
    if not isinstance(node, list):
        faults.add(key, f"must be a list, not {shown(node)}")
        return None
    return tuple(convert(kind, item, f"{key}[{i}]", faults) for i, item in enumerate(node))


def convert_choice(choices: tuple[Any, ...], node: Any, key: str, faults: Faults) -> Any:
    if node in choices:
        return node
    names = [str(choice) for choice in choices]
    hint = suggestion(str(node), names)
    faults.add(key, f"{shown(node)} is none of {', '.join(names)}{hint}")
    return None


def convert_scalar(kind: type, node: Any, key: str, faults: Faults) -> Any:
    wanted = {bool: "true or false", int: "a whole number", float: "a number", str: "a text"}[kind]
    fits = isinstance(node, kind) and (kind is bool or not isinstance(node, bool))
    if kind is float and isinstance(node, int) and not isinstance(node, bool):
        fits = True
    if not fits:
        faults.add(key, f"must be {wanted}, not {shown(node)}")
        return None
    # ruamel's own scalar classes remember their notation; plain values compare and print plainly.
    return kind(node)


def check_limit(value: Any, limit: Bounds | Pattern, key: str, faults: Faults) -> Any:
    if value is None:
        return None
    if isinstance(limit, Bounds) and not limit.low <= value <= limit.high:
        faults.add(key, f"must be {limit}, not {value:g}")
    if isinstance(limit, Pattern) and not re.fullmatch(limit.regex, value):
        faults.add(key, f"must be {limit.meaning}, not {shown(value)}")
    return value


def suggestion(name: str, known: typing.Iterable[str]) -> str:
    close = difflib.get_close_matches(name, list(known), n=1, cutoff=0.6)
    return f"; did you mean '{close[0]}'?" if close else ""


def dotted(key: str, name: object) -> str:
    return f"{key}.{name}" if key else str(name)


def shown(node: Any) -> str:
    if node is None:
        return "empty"
    if isinstance(node, dict | list):
        return "a block" if isinstance(node, dict) else "a list"
    return repr(str(node)) if isinstance(node, str) else str(node)
