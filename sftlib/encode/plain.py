"""Templates that put contents in as they are, and need not be rendered for every row.

Most chat templates say: for each message, its role, its content, an end. What they render then
depends on the roles alone, and one rendering with marks in place of the contents serves all rows
with the same roles. A template is plain when its syntax tree shows that this holds; whatever is not
understood is not plain.
"""

from jinja2 import Environment, nodes

# Names whose value is the same for all rows with the same roles.
CONSTANT_NAMES = {
    "bos_token",
    "eos_token",
    "unk_token",
    "pad_token",
    "add_generation_prompt",
    "raise_exception",
}
LOOP_COUNTERS = {"first", "last", "index", "index0", "revindex", "revindex0", "length"}
ALLOWED = (
    nodes.Template,
    nodes.Output,
    nodes.TemplateData,
    nodes.Const,
    nodes.For,
    nodes.If,
    nodes.Compare,
    nodes.Operand,
    nodes.And,
    nodes.Or,
    nodes.Not,
    nodes.Add,
    nodes.Concat,
    nodes.Name,
    nodes.Getattr,
    nodes.Getitem,
    nodes.Call,
    nodes.Filter,
    nodes.Mod,
    nodes.CondExpr,
)


def is_plain(environment: Environment, source: str) -> bool:
    """Whether contents do no more than stand in the output, stripped or not."""
    tree = environment.parse(source)
    over_messages = filter(is_over_messages, tree.find_all(nodes.For))
    loops = {name for loop in over_messages if (name := name_of(loop.target)) is not None}
    return all(fits(child, tree, loops, False) for child in tree.iter_child_nodes())


def is_over_messages(loop: nodes.For) -> bool:
    is_simple = name_of(loop.target) is not None and loop.test is None and not loop.recursive
    return is_simple and name_of(loop.iter) == "messages"


def name_of(node: nodes.Node) -> str | None:
    return node.name if isinstance(node, nodes.Name) else None


def fits(node: nodes.Node, parent: nodes.Node, loops: set[str], printed: bool) -> bool:
    """Whether `node` is understood; `printed`: its value goes to the output and nowhere else."""
    if not isinstance(node, ALLOWED):
        return False
    if isinstance(node, nodes.Getattr | nodes.Getitem):
        key = field_of_message(node, loops)
        return key == "role" or (key == "content" and printed) or is_loop_counter(node)
    if isinstance(node, nodes.Name):
        return node.name in CONSTANT_NAMES
    if isinstance(node, nodes.For):
        return is_over_messages(node) and all(fits(n, node, loops, False) for n in node.body)
    if isinstance(node, nodes.Filter):
        is_trim = node.name == "trim" and not node.args and not node.kwargs
        return is_trim and node.node is not None and fits(node.node, node, loops, printed)
    if isinstance(node, nodes.Call):
        return is_strip(node, loops, printed) or is_exception(node)
    prints = isinstance(node, nodes.Output) or (
        printed and isinstance(node, nodes.Add | nodes.Concat)
    )
    if isinstance(node, nodes.CondExpr):
        branches = [branch for branch in (node.expr1, node.expr2) if branch is not None]
        return fits(node.test, node, loops, False) and all(
            fits(branch, node, loops, printed) for branch in branches
        )
    return all(fits(child, node, loops, prints) for child in node.iter_child_nodes())


def field_of_message(node: nodes.Node, loops: set[str]) -> str | None:
    """`role` for message['role'], message.role or messages[0]['role']; None for what is none."""
    if isinstance(node, nodes.Getattr):
        inner, key = node.node, node.attr
    elif isinstance(node, nodes.Getitem) and isinstance(node.arg, nodes.Const):
        inner, key = node.node, node.arg.value
    else:
        return None
    if name_of(inner) in loops:
        return str(key)
    is_indexed = isinstance(inner, nodes.Getitem) and isinstance(inner.arg, nodes.Const | nodes.Neg)
    return str(key) if is_indexed and name_of(inner.node) == "messages" else None  # type: ignore[attr-defined]


def is_loop_counter(node: nodes.Node) -> bool:
    """loop.first and the like; loop.nextitem would be a message."""
    return (
        isinstance(node, nodes.Getattr)
        and name_of(node.node) == "loop"
        and node.attr in LOOP_COUNTERS
    )


def is_strip(call: nodes.Call, loops: set[str], printed: bool) -> bool:
    """message.content.strip()"""
    function = call.node
    if call.args or call.kwargs or not isinstance(function, nodes.Getattr):
        return False
    return function.attr == "strip" and fits(function.node, call, loops, printed)


def is_exception(call: nodes.Call) -> bool:
    is_name = isinstance(call.node, nodes.Name) and call.node.name == "raise_exception"
    return is_name and all(isinstance(argument, nodes.Const) for argument in call.args)
