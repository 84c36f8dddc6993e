"""YAML text -> a tree of nodes that know their line and column.

Built from PyYAML's parse events (libyaml's when it is there), never from its constructors, and without recursion, so that no
input can run code, exhaust the stack or blow up the memory. Scalars are read by the YAML 1.2 core schema (scalars.py).
Anchors and aliases work, within MAX_VALUES and MAX_DEPTH after expansion; merge keys (``<<``, YAML 1.1) are refused.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import yaml

from minikvm.config.problems import Path, Problem, quoted, shorten
from minikvm.config.scalars import MAX_DIGITS, Scalar, TooLong, resolve_plain, resolve_tagged

MAX_BYTES = 1 << 20
MAX_DEPTH = 32
MAX_VALUES = 100_000

_LOADER: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_CORE = "tag:yaml.org,2002:"
# What YAML 1.2.2 section 5.1 does not allow, surrogates included: the parser's own error would have no line.
_FORBIDDEN = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x84\x86-\x9f\ud800-\udfff\ufffe\uffff]")


class Place(NamedTuple):
    """Where something stands in the text: line and column, both from 1, the column in characters."""

    line: int
    column: int


NOWHERE = Place(0, 0)


@dataclass(slots=True)
class ScalarNode:
    """A scalar: its value, and its text as written between the quotes, if any (``plain`` says that there were none)."""

    place: Place
    value: Scalar
    text: str
    plain: bool
    size: int = 1
    height: int = 0


@dataclass(slots=True)
class SeqNode:
    """A sequence. ``size`` counts the values in it after expansion, ``height`` the levels; ``closed`` once its end was met."""

    place: Place
    items: list[Node] = field(default_factory=list)
    size: int = 1
    height: int = 1
    closed: bool = False


@dataclass(slots=True)
class MapNode:
    """A mapping: key -> (place of the key, value)."""

    place: Place
    entries: dict[str | int, tuple[Place, Node]] = field(default_factory=dict)
    size: int = 1
    height: int = 1
    closed: bool = False


Node = ScalarNode | SeqNode | MapNode


@dataclass(slots=True)
class _Open:
    """A container whose end has not come yet. ``key``: the key that waits for its value; ``at``: values counted at its start."""

    node: SeqNode | MapNode
    path: Path
    at: int
    key: str | int | None = None
    key_place: Place = NOWHERE
    has_key: bool = False


class _ReadsAhead(Exception):
    """libyaml has a limit of nesting of its own, and meets it before we meet ours: the slower parser comes to ours, with its place."""


class _Stop(Exception):
    """The text cannot be read further."""


@dataclass
class Document:
    """A parsed text. ``root`` is None when it could not be read to its end; ``problems`` then says why."""

    name: str
    root: Node | None
    problems: list[Problem]

    def data(self) -> Any:
        """Plain Python data: dict, list, str, int, float, bool, None."""
        return to_data(self.root) if self.root is not None else None

    def node(self, path: Path) -> Node | None:
        """The node at the path, or None."""
        here: Node | None = self.root
        for part in path:
            if isinstance(here, MapNode) and part in here.entries:
                here = here.entries[part][1]
            elif isinstance(here, SeqNode) and isinstance(part, int) and 0 <= part < len(here.items):
                here = here.items[part]
            else:
                return None
        return here

    def place(self, path: Path) -> Place:
        """Where the value at the path stands; of the nearest container when there is no such value."""
        while path and self.node(path) is None:
            path = path[:-1]
        node = self.node(path)
        return node.place if node is not None else Place(1, 1)

    def key_place(self, path: Path) -> Place:
        """Where the key that ends the path stands; the value's place when that is no key."""
        parent = self.node(path[:-1])
        if path and isinstance(parent, MapNode) and path[-1] in parent.entries:
            return parent.entries[path[-1]][0]
        return self.place(path)


def to_data(node: Node) -> Any:
    """The node as plain Python data. Recursive: the tree's height is at most MAX_DEPTH."""
    if isinstance(node, ScalarNode):
        return node.value
    if isinstance(node, SeqNode):
        return [to_data(item) for item in node.items]
    return {key: to_data(value) for key, (_, value) in node.entries.items()}


def show(node: Node | None) -> str:
    """How a message quotes the node's value: scalars as written, containers by kind."""
    if node is None:
        return "nothing"
    if isinstance(node, SeqNode):
        return f"a list of {len(node.items)}" if node.items else "an empty list"
    if isinstance(node, MapNode):
        return f"a mapping ({shorten(', '.join(map(str, node.entries)))})" if node.entries else "an empty mapping"
    if node.plain:
        return shorten(node.text) if node.text else "nothing"
    return quoted(node.text)


def parse(text: str, name: str) -> Document:
    """Parse a text of at most MAX_BYTES. Raises nothing: what is wrong is in ``Document.problems``."""
    return _Builder(name, _LOADER).build(text)


class _Builder:
    def __init__(self, name: str, loader: Any) -> None:
        self.name = name
        self.loader = loader
        self.problems: list[Problem] = []
        self.stack: list[_Open] = []
        self.anchors: dict[str, Node] = {}
        self.root: Node | None = None
        self.values = 0

    def build(self, text: str) -> Document:
        try:
            if bad := _FORBIDDEN.search(text):
                raise self._forbidden(text, bad.start())
            for event in self._events(text):
                self._event(event)
            if self.root is None:
                raise self._stop(Place(1, 1), "", "a mapping with the key vm", fault="the file is empty")
        except _Stop:
            return Document(self.name, None, self.problems)
        except _ReadsAhead:
            return _Builder(self.name, yaml.SafeLoader).build(text)
        return Document(self.name, self.root, self.problems)

    def _events(self, text: str) -> Iterator[Any]:
        try:
            yield from yaml.parse(text, Loader=self.loader)
        except yaml.MarkedYAMLError as error:
            if "nesting depth" in (error.problem or ""):
                raise _ReadsAhead from None
            raise self._syntax(text, error) from None
        except yaml.YAMLError as error:  # the reader's: a character that _FORBIDDEN let through
            raise self._stop(Place(1, 1), shorten(str(error)), "YAML 1.2 text") from None

    def _event(self, event: Any) -> None:
        place = Place(event.start_mark.line + 1, event.start_mark.column + 1)
        if isinstance(event, yaml.DocumentStartEvent):
            if self.root is not None:
                raise self._stop(place, "a second document", "one document in the file")
            if event.version not in (None, (1, 2)):
                self._problem(place, f"%YAML {event.version[0]}.{event.version[1]}", "%YAML 1.2, or no such line")
        elif isinstance(event, yaml.AliasEvent):
            self._alias(event, place)
        elif isinstance(event, yaml.ScalarEvent):
            node = self._scalar(event, place)
            self._anchor(event, node)
            self._count(place)
            self._add(node)
        elif isinstance(event, (yaml.SequenceStartEvent, yaml.MappingStartEvent)):
            self._open(event, place)
        elif isinstance(event, (yaml.SequenceEndEvent, yaml.MappingEndEvent)):
            done = self.stack.pop()
            done.node.size = self.values - done.at
            done.node.closed = True
            self._add(done.node)

    def _open(self, event: Any, place: Place) -> None:
        sequence = isinstance(event, yaml.SequenceStartEvent)
        if self._awaits_key():
            raise self._stop(place, "a list" if sequence else "a mapping", "a name or a whole number as the key")
        if len(self.stack) >= MAX_DEPTH:
            raise self._stop(place, f"more than {MAX_DEPTH} levels", f"at most {MAX_DEPTH} levels of nesting")
        if event.tag not in (None, "!", f"{_CORE}{'seq' if sequence else 'map'}"):
            self._bad_tag(event.tag, place)
        node: SeqNode | MapNode = SeqNode(place) if sequence else MapNode(place)
        self._anchor(event, node)
        self.stack.append(_Open(node, self._path(), self.values))
        self._count(place)

    def _count(self, place: Place) -> None:
        self.values += 1
        if self.values > MAX_VALUES:
            raise self._stop(place, f"more than {MAX_VALUES} values", f"at most {MAX_VALUES} values")

    def _alias(self, event: Any, place: Place) -> None:
        shown = shorten(f"*{event.anchor}")
        node = self.anchors.get(event.anchor)
        if node is None:
            raise self._stop(place, shown, f"an anchor &{shown[1:]} before it")
        if not isinstance(node, ScalarNode) and not node.closed:
            raise self._stop(place, shown, "an alias of a value that does not contain it")
        self.values += node.size
        if self.values > MAX_VALUES:
            raise self._stop(place, shown, f"at most {MAX_VALUES} values after its expansion")
        if len(self.stack) + node.height > MAX_DEPTH:
            raise self._stop(place, shown, f"at most {MAX_DEPTH} levels of nesting after its expansion")
        if self._awaits_key() and not isinstance(node, ScalarNode):
            raise self._stop(place, shown, "a name or a whole number as the key")
        # A scalar's problems belong to where it is used; a container's lines are where it is written.
        self._add(node, place)

    def _scalar(self, event: Any, place: Place) -> ScalarNode:
        text: str = event.value
        plain = event.style is None or event.style == ""
        value: Scalar = text
        try:
            if event.tag not in (None, "!"):
                kind = event.tag.removeprefix(_CORE)
                if kind in ("str", "int", "float", "bool", "null") and event.tag.startswith(_CORE):
                    value = resolve_tagged(kind, text)
                else:
                    self._bad_tag(event.tag, place)
            elif plain and event.tag is None:
                value = resolve_plain(text)
        except TooLong:
            self._problem(place, shorten(text), f"a number of at most {MAX_DIGITS} characters")
        except ValueError:
            self._problem(place, quoted(text), f"a value of the type !!{event.tag.removeprefix(_CORE)}")
        return ScalarNode(place, value, text, plain)

    def _add(self, node: Node, alias: Place | None = None) -> None:
        if not self.stack:
            self.root = node
            return
        top = self.stack[-1]
        top.node.height = max(top.node.height, node.height + 1)
        if isinstance(top.node, SeqNode):
            top.node.items.append(node)
        elif not top.has_key:
            assert isinstance(node, ScalarNode)  # _open and _alias refuse the others
            top.key, top.key_place, top.has_key = self._key(node, alias or node.place), alias or node.place, True
        else:
            top.has_key = False
            if top.key is not None:
                top.node.entries[top.key] = (top.key_place, node)

    def _key(self, node: ScalarNode, place: Place) -> str | int | None:
        """The key, or None (after noting a problem) when its entry is to be dropped."""
        frame = self.stack[-1]
        assert isinstance(frame.node, MapNode)
        key = node.value
        if isinstance(key, bool) or not isinstance(key, (str, int)):
            self._problem(place, show(node), "a name or a whole number as the key", path=frame.path)
        elif key == "<<" and node.plain:
            self._problem(place, "<<", "a name: merge keys are not supported, write the keys out", path=frame.path)
        elif key in frame.node.entries:
            first = frame.node.entries[key][0]
            where = f"the first is at line {first.line}, column {first.column}"
            self._problem(place, shorten(node.text), "each key once", hint=where, fault="duplicate key", path=(*frame.path, key))
        else:
            return key
        return None

    def _anchor(self, event: Any, node: Node) -> None:
        if event.anchor is not None:
            self.anchors[event.anchor] = node

    def _awaits_key(self) -> bool:
        return bool(self.stack) and isinstance(self.stack[-1].node, MapNode) and not self.stack[-1].has_key

    def _path(self) -> Path:
        """The path of the value that comes next."""
        if not self.stack:
            return ()
        top = self.stack[-1]
        if isinstance(top.node, SeqNode):
            return (*top.path, len(top.node.items))
        return (*top.path, top.key) if top.has_key and top.key is not None else top.path

    def _bad_tag(self, tag: str, place: Place) -> None:
        shown = f"!!{tag[len(_CORE) :]}" if tag.startswith(_CORE) else tag
        self._problem(place, f"the tag {shorten(shown)}", "no tag, or one of !!str, !!int, !!float, !!bool, !!null, !!seq, !!map")

    def _problem(self, place: Place, value: str, expected: str, *, hint: str = "", fault: str = "", path: Path | None = None) -> None:
        where = self._path() if path is None else path
        self.problems.append(Problem(self.name, place.line, place.column, where, value, expected, hint, fault))

    def _stop(self, place: Place, value: str, expected: str, hint: str = "", fault: str = "") -> _Stop:
        self._problem(place, value, expected, hint=hint, fault=fault)
        return _Stop()

    def _forbidden(self, text: str, at: int) -> _Stop:
        line = text.count("\n", 0, at) + 1
        place = Place(line, at - (text.rfind("\n", 0, at) + 1) + 1)
        hint = "is this a binary file?" if text[at] == "\0" else ""
        return self._stop(place, f"the character U+{ord(text[at]):04X}", "printable text", hint)

    def _syntax(self, text: str, error: yaml.MarkedYAMLError) -> _Stop:
        mark = error.problem_mark or error.context_mark
        place = Place(mark.line + 1, mark.column + 1) if mark is not None else Place(1, 1)
        lines = text.splitlines()
        row = lines[place.line - 1] if place.line <= len(lines) else ""
        context, problem = error.context or "", error.problem or ""
        # The path of a broken text is a guess: what is open may be open by mistake.
        self.stack.clear()
        if "\t" in row[: place.column] and not row[: place.column].strip():
            return self._stop(place, "a tab", "spaces for the indentation")
        if "simple key" in context and error.context_mark is not None:
            start = Place(error.context_mark.line + 1, error.context_mark.column + 1)
            written = lines[start.line - 1][start.column - 1 :].strip() if start.line <= len(lines) else ""
            return self._stop(start, shorten(written), "a colon after the key")
        if place.line > len(lines) or not "".join(lines[place.line - 1 :]).strip():
            return self._stop(place, "the end of the file", f"more {_inside(context)}")
        hint = shorten_problem(problem)
        return self._stop(place, shorten(row.strip()) or "an empty line", "valid YAML", hint)


def _inside(context: str) -> str:
    opened = context.removeprefix("while ")
    return f"(it ends {opened.replace('parsing', 'inside').replace('scanning', 'inside')})" if opened else "text"


def shorten_problem(problem: str) -> str:
    """The parser's remark in a word or two more than it says."""
    if "mapping values are not allowed" in problem:
        return "a colon here starts a second value: check the indentation, or quote the text"
    if "could not find expected ':'" in problem or "expected key" in problem or "<block end>" in problem:
        return "the line fits no list or mapping that is open: check the indentation"
    if "cannot start any token" in problem:
        return "no value starts with this character: quote the text"
    if "',' or '" in problem:
        return "a comma or the closing bracket is missing"
    return problem.replace("did not find expected", "no")
