"""params.yaml of a project of one's own: the comments of ours, the choices of a recipe, its data.

The layout of ours stays as far as it can, so that git merges later versions of it.
"""

import io
import re
from dataclasses import asdict, fields
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.comments import CommentedMap, CommentedSeq

from sftlib.core.config import suggestion
from sftlib.core.errors import UsageError
from sftlib.core.params import Source, load_params

# The recipe that is no file below recipes/: the params of the repository itself.
DEFAULT = "default"
# Sections that a recipe decides on as a whole.
WHOLE = ("task", "fetch", "base", "sources")
# Keys whose values name sources, or fields that other rows have.
OF_OTHER_DATA = (
    ("compose", "caps"),
    ("compose", "weights"),
    ("split", "by_source"),
    ("split", "time"),
    ("curate", "group"),
)


def recipes(root: Path) -> dict[str, Path]:
    """Name -> its params.yaml."""
    found = {file.parent.name: file for file in sorted(root.glob("recipes/*/params.yaml"))}
    return {DEFAULT: root / "params.yaml", **found}


def recipe_file(root: Path, name: str) -> Path:
    """The params of a recipe; `UsageError` that names all there are for an unknown one."""
    known = recipes(root)
    if name not in known:
        hint = suggestion(name, known)
        raise UsageError(f"--recipe {name} is none of {', '.join(known)}{hint}")
    return known[name]


def compose_params(ours: Path, recipe: Path, key: str, source: Source) -> str:
    """The text of params.yaml with a recipe's choices and `source` as its only source, `key`."""
    chosen, complete = YAML().load(recipe.read_text()), asdict(load_params(recipe))
    for section, name in OF_OTHER_DATA:
        chosen[section][name] = None
    given = {field.name: getattr(source, field.name) for field in fields(source)
             if getattr(source, field.name) != field.default}  # fmt: skip
    chosen["sources"] = {key: given}
    scorer = chosen["compose"]["model"].removeprefix("data/raw/")
    chosen["fetch"] = {name: entry for name, entry in chosen["fetch"].items() if name == scorer}
    return "".join(
        above + (section_text(name, body, chosen[name], complete[name]) if name else body)
        for name, above, body in split_sections(ours.read_text())
    )


def split_sections(text: str) -> list[tuple[str | None, str, str]]:
    """(key, what stands above it, its lines) of each section of a YAML file.

    >>> split_sections("# a\\nx: 1\\n\\n# b\\ny:\\n  z: 2 # c\\n")
    [('x', '# a\\n', 'x: 1\\n'), ('y', '\\n# b\\n', 'y:\\n  z: 2 # c\\n')]
    """
    pieces = re.split(r"(?m)^(?=[a-z]\w*:)", text)
    found: list[tuple[str | None, str, str]] = []
    above = pieces[0]
    for piece in pieces[1:]:
        body = re.match(r".*\n(?:[ \t].*\n|\n(?=[ \t]))*", piece)
        end = body.end() if body else len(piece)
        found.append((piece.partition(":")[0], above, piece[:end]))
        above = piece[end:]
    return [*found, (None, above, "")] if above else found


def section_text(name: str, body: str, chosen: Any, complete: Any) -> str:
    """A section with chosen values: as it stands where it has them, else with its comments.

    complete: the same with every key that the recipe leaves at its default.
    """
    yaml = YAML()
    yaml.indent(mapping=2, sequence=4, offset=2)
    yaml.width = 4096
    yaml.representer.add_representer(
        type(None), lambda shape, _: shape.represent_scalar("tag:yaml.org,2002:null", "null")
    )
    section = yaml.load(body)
    if section[name] == chosen:
        return body
    if name in WHOLE or not isinstance(chosen, dict):
        section = {name: plain(chosen)}
    else:
        update(section[name], chosen, complete)
    stream = io.StringIO()
    yaml.dump(section, stream)
    return stream.getvalue().rstrip("\n") + "\n"


def update(section: CommentedMap, chosen: dict[str, Any], complete: dict[str, Any]) -> None:
    """Give the keys of a section other values."""
    for key in section:
        value = chosen.get(key, complete[key])
        if isinstance(value, dict) and isinstance(section[key], CommentedMap):
            update(section[key], value, complete[key])
        elif section[key] != value:
            section[key] = plain(value)


def plain(node: Any, depth: int = 0) -> Any:
    """A value without the comments of the file that it comes from; entries on a line each."""
    if isinstance(node, dict):
        block = CommentedMap({str(key): plain(value, depth + 1) for key, value in node.items()})
        if depth:
            block.fa.set_flow_style()
        return block
    if isinstance(node, list | tuple):
        items = CommentedSeq([plain(item, depth + 1) for item in node])
        if not any(isinstance(item, dict) for item in items):
            items.fa.set_flow_style()
        return items
    return node
