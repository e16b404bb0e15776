"""What a search may choose: `train.lr=log(1e-5,1e-3)`, `train.lora.rank=8|16|32`."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

from sftlib.core.config import Faults, build, load_yaml, suggestion
from sftlib.core.errors import UsageError
from sftlib.core.params import Params, check_together

RANGE = re.compile(r"(?P<kind>log|float|int)\((?P<low>[^,]+),(?P<high>[^,]+)\)")
USAGE = "KEY=A|B|C, KEY=log(LOW,HIGH), KEY=float(LOW,HIGH) or KEY=int(LOW,HIGH)"

Value = str | int | float | bool | None


@dataclass(frozen=True)
class Choice:
    values: tuple[Value, ...]

    def edges(self) -> tuple[Value, ...]:
        return self.values


@dataclass(frozen=True)
class Range:
    """Numbers from low to high; kind `log` draws their logarithm evenly."""

    kind: str
    low: float
    high: float

    def edges(self) -> tuple[Value, ...]:
        number = int if self.kind == "int" else float
        return number(self.low), number(self.high)


Space = dict[str, Choice | Range]


def parse_space(texts: list[str]) -> Space:
    """Key -> what it may be; raises `UsageError` that shows how to write it."""
    space: Space = {}
    for text in texts:
        key, equals, choices = text.partition("=")
        if not (key and equals and choices) or key in space:
            raise UsageError(f"{text!r}: write each key once, as {USAGE}")
        found = RANGE.fullmatch(choices)
        try:
            space[key] = read_range(found) if found else read_choice(choices)
        except (ValueError, YAMLError):
            raise UsageError(f"{text!r}: write {USAGE}") from None
    if not space:
        raise UsageError(f"nothing to search: give {USAGE}")
    return space


def parse_settings(texts: list[str]) -> dict[str, Value]:
    """Key -> its one value, of KEY=VALUE as `dvc exp run -S` takes it."""
    space = parse_space(texts) if texts else {}
    settings = {key: choices.edges() for key, choices in space.items()}
    if any(len(values) != 1 for values in settings.values()):
        raise UsageError(f"{' '.join(texts)}: write KEY=VALUE")
    return {key: value for key, (value,) in settings.items()}


def read_range(found: re.Match[str]) -> Range:
    low, high = float(found["low"]), float(found["high"])
    if not low < high or (found["kind"] == "log" and low <= 0):
        raise ValueError
    return Range(found["kind"], low, high)


def read_choice(text: str) -> Choice:
    values = tuple(YAML(typ="safe").load(value) for value in text.split("|"))
    if len(set(map(repr, values))) < len(values):
        raise ValueError
    if not all(value is None or isinstance(value, str | int | float) for value in values):
        raise ValueError
    return Choice(values)


def check_space(path: Path, space: Space) -> None:
    """Raise `UsageError` unless params.yaml has every key and takes each edge of what it may be."""
    for key, choices in space.items():
        for value in choices.edges():
            params_with(path, {key: value})


def params_with(path: Path, changes: Mapping[str, Value]) -> Params:
    """params.yaml with other values of some keys; raises `UsageError` unless that is valid."""
    node = load_yaml(path)
    for key, value in changes.items():
        block, names = node, key.split(".")
        for name in names[:-1]:
            block = block.get(name) if isinstance(block, dict) else None
        if not isinstance(block, dict) or names[-1] not in block:
            hint = suggestion(names[-1], map(str, block)) if isinstance(block, dict) else ""
            raise UsageError(f"{key}: {path.name} has no such key{hint}")
        block[names[-1]] = value
    shown = ", ".join(f"{key}={value}" for key, value in changes.items())
    faults = Faults(f"{path.name} with {shown}")
    params = build(Params, node, faults)
    if params is not None:
        check_together(params, faults)
    faults.raise_if_any()
    assert params is not None
    return params


def draw(trial: Any, space: Space) -> dict[str, Value]:
    """The values of a trial of Optuna."""
    return {key: DRAWS[type(choices)](trial, key, choices) for key, choices in space.items()}


def draw_choice(trial: Any, key: str, choice: Any) -> Value:
    value: Value = trial.suggest_categorical(key, choice.values)
    return value


def draw_number(trial: Any, key: str, span: Any) -> Value:
    if span.kind == "int":
        return int(trial.suggest_int(key, int(span.low), int(span.high)))
    return float(trial.suggest_float(key, span.low, span.high, log=span.kind == "log"))


DRAWS: dict[type, Callable[[Any, str, Any], Value]] = {Choice: draw_choice, Range: draw_number}
