"""Changes from the command line, laid over a file's tree before it is checked: every rule holds for them as for the file."""

from __future__ import annotations

import os
from collections.abc import Iterable

from minikvm.config.files import find, read
from minikvm.config.host import Topology
from minikvm.config.loader import _validate, load
from minikvm.config.model import VMConfig
from minikvm.config.problems import ConfigError, Problem, quoted
from minikvm.config.registry import Registry
from minikvm.config.yamldoc import NOWHERE, MapNode, Node, ScalarNode, SeqNode, parse


def load_with(
    source: str | os.PathLike[str], changes: Iterable[tuple[str, str]], *, registry: Registry | None = None, host: Topology | None = None,
    allow_c: bool = False,
) -> VMConfig:
    """As load(), with *changes* (dotted path, YAML text of the value) laid over the file, in order.

    A number in the path is an index of a list. A missing mapping on the way is made. A change has no line: its problems name the file and
    the path. Raises ConfigError.
    """
    todo = list(changes)
    if not todo:
        return load(source, registry=registry, host=host, allow_c=allow_c)
    path = find(source)
    doc = parse(read(path).removeprefix("\ufeff"), str(path))
    if not isinstance(doc.root, MapNode):
        return load(source, registry=registry, host=host, allow_c=allow_c)  # it says what is wrong with the file
    for key, text in todo:
        value = parse(text or "null", f"{doc.name}: --set {key}")
        if value.root is None:
            raise ConfigError(value.problems)
        doc.problems += value.problems
        root = lay(doc.root, key.split("."), unplaced(value.root))
        if root is None:
            raise ConfigError([Problem(doc.name, 0, 0, (key,), quoted(text), "a path of keys, and indices of lists that are long enough")])
        doc.root = root
    return _validate(doc, registry, host, allow_c)


def lay(node: Node | None, parts: list[str], value: Node) -> Node | None:
    """*node* with *value* at the path *parts*, or None if the path leads nowhere. Copies on the way: an anchor's other places stay."""
    if not parts:
        return value
    part, rest = parts[0], parts[1:]
    if isinstance(node, SeqNode):
        at = int(part) if part.isascii() and part.isdigit() else -1
        if not 0 <= at < len(node.items) or (inner := lay(node.items[at], rest, value)) is None:
            return None
        return SeqNode(node.place, [*node.items[:at], inner, *node.items[at + 1 :]], node.size, node.height, node.closed)
    if isinstance(node, ScalarNode) and isinstance(node.value, str):
        # strategy: upstream is short for strategy: {name: upstream}, which an option's path presumes.
        node = MapNode(node.place, {"name": (node.place, node)}, closed=True)
    elif node is None or isinstance(node, ScalarNode):
        node = MapNode(NOWHERE, closed=True)
    key: str | int = int(part) if part.isascii() and part.isdigit() and int(part) in node.entries else part
    place, old = node.entries.get(key, (NOWHERE, None))
    inner = lay(old, rest, value)
    return None if inner is None else MapNode(node.place, {**node.entries, key: (place, inner)}, node.size, node.height, node.closed)


def unplaced(node: Node) -> Node:
    """The same values without places, which would be those of the command line's text."""
    if isinstance(node, ScalarNode):
        return ScalarNode(NOWHERE, node.value, node.text, node.plain)
    if isinstance(node, SeqNode):
        return SeqNode(NOWHERE, [unplaced(item) for item in node.items], node.size, node.height, node.closed)
    entries = {key: (NOWHERE, unplaced(value)) for key, (_, value) in node.entries.items()}
    return MapNode(NOWHERE, entries, node.size, node.height, node.closed)
