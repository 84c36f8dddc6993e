"""What a litmus file says outside its C code: the initial state; locations, filter and the condition."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TypeAlias

from minikvm.litmus.errors import LitmusError, shown
from minikvm.litmus.source import Source

TOKEN = re.compile(
    r"\s+|(?P<register>(\d+)\s*:\s*([A-Za-z_]\w*))|(?P<number>-?(0[xX][0-9a-fA-F]+|\d+)\b)|(?P<name>[A-Za-z_]\w*)"
    r"|(?P<sign>~exists\b|/\\|\\/|=>|<>|!=|==|&&|\|\||[][(){};,=&*~:])"
)
LARGEST = (1 << 63) - 1

Value: TypeAlias = int | str
"""A number, or "&x": the address of x."""


@dataclass(frozen=True)
class Item:
    """Something with a final value: a register (thread, name), or a location (thread -1)."""

    thread: int
    name: str
    at: int = field(default=0, compare=False)

    def __str__(self) -> str:
        return f"{self.thread}:{self.name}" if self.thread >= 0 else f"[{self.name}]"

    @property
    def observed(self) -> str:
        """Its name in programs of minikvm.check."""
        return f"{self.thread}:{self.name}" if self.thread >= 0 else self.name


Values: TypeAlias = Mapping[Item, Value]


@dataclass(frozen=True)
class Prop:
    """A proposition. op: "=" (item and value, or item and other item), "!=", "and", "or", "=>", "not", "true", "false"."""

    op: str
    parts: tuple[Prop, ...] = ()
    item: Item | None = None
    value: Value = 0
    other: Item | None = None

    def holds(self, values: Values) -> bool:
        """Is it true of these final values?"""
        if self.item is not None:
            value = self.value if self.other is None else values[self.other]
            return (values[self.item] == value) == (self.op == "=")
        truth = [part.holds(values) for part in self.parts]
        if self.op == "not":
            return not truth[0]
        if self.op == "=>":
            return not truth[0] or truth[1]
        return any(truth) if self.op in ("or", "false") else all(truth)

    def items(self) -> list[Item]:
        """All that it is about, in order of appearance."""
        own = [item for item in (self.item, self.other) if item is not None]
        return [*own, *(item for part in self.parts for item in part.items())]

    def __str__(self) -> str:
        return self.text(0)

    def text(self, around: int) -> str:
        """As herd7 prints it. around: how closely the surroundings bind."""
        if self.item is not None:
            value = self.value[1:] if isinstance(self.value, str) else self.value
            equation = f"{self.item}={value if self.other is None else self.other}"
            return equation if self.op == "=" else f"not ({equation})"
        if self.op == "not":
            return f"not ({self.parts[0].text(0)})"
        if not self.parts:
            return self.op
        sign, binds = {"and": (" /\\ ", 3), "or": (" \\/ ", 2), "=>": (" => ", 1)}[self.op]
        text = sign.join(part.text(binds + 1) for part in self.parts)
        return f"({text})" if binds < around else text


@dataclass
class Initial:
    """The initial state. locations: name -> value; types: name -> its declared type; registers: of threads; places: of each value."""

    locations: dict[str, Value] = field(default_factory=dict)
    types: dict[str, str] = field(default_factory=dict)
    arrays: dict[str, int] = field(default_factory=dict)
    registers: dict[tuple[int, str], Value] = field(default_factory=dict)
    pointed: list[tuple[str, int]] = field(default_factory=list)


@dataclass
class Condition:
    """What is asked. kind: "exists", "~exists", "forall". shown: what `locations` names."""

    kind: str
    prop: Prop
    filter: Prop | None
    shown: list[Item]


class _Reader:
    """Tokens of a part."""

    def __init__(self, source: Source, text: str) -> None:
        self.source = source
        self.tokens: list[tuple[str, str, int]] = []
        at = 0
        while at < len(text):
            match = TOKEN.match(text, at)
            if match is None:
                raise source.error(at, f"{shown(text[at:at + 8])!r}", "a name, a number or a sign")
            if match.lastgroup is not None:
                self.tokens.append((str(match.lastgroup), match[0], at))
            at = match.end()
        self.tokens.append(("end", "", len(source.text.rstrip())))
        self.next = 0

    @property
    def kind(self) -> str:
        return self.tokens[self.next][0]

    @property
    def word(self) -> str:
        return self.tokens[self.next][1]

    def error(self, expected: str) -> LitmusError:
        kind, word, at = self.tokens[self.next]
        return self.source.error(at, "the end" if kind == "end" else f"{shown(word)!r}", expected)

    def take(self) -> tuple[str, int]:
        _, word, at = self.tokens[self.next]
        self.next = min(self.next + 1, len(self.tokens) - 1)
        return word, at

    def accept(self, *words: str) -> bool:
        if self.kind in ("sign", "name") and self.word in words:
            self.take()
            return True
        return False

    def expect(self, word: str, what: str = "") -> None:
        if not self.accept(word):
            raise self.error(what or word)

    def name(self, what: str) -> tuple[str, int]:
        if self.kind != "name":
            raise self.error(what)
        return self.take()

    def number(self, what: str) -> int:
        if self.kind != "number":
            raise self.error(what)
        value = int(self.word, 0) if self.word.lstrip("-").lower().startswith("0x") else int(self.word[:40])
        if not -LARGEST - 1 <= value <= LARGEST:
            raise self.error("a number of 64 bits")
        self.take()
        return value

    def cell(self, name: str) -> str:
        """The name, or that of an array's cell."""
        if not self.accept("["):
            return name
        index = self.number("a cell's number")
        self.expect("]")
        return f"{name}[{index}]"

    def value(self, pointed: list[tuple[str, int]], what: str = "a number, or a variable's name for its address") -> Value:
        """A number or an address; what is pointed to is listed."""
        if self.kind == "number":
            return self.number("a number")
        if self.accept("NULL"):
            return 0
        self.accept("&")
        name, at = self.name(what)
        name = self.cell(name)
        pointed.append((name, at))
        return f"&{name}"

    def register(self) -> Item:
        word, at = self.take()
        thread, name = re.split(r"\s*:\s*", word)
        return Item(int(thread[:9]), name, at)

    def item(self) -> Item:
        """What a condition is about."""
        if self.kind == "register":
            return self.register()
        if self.accept("["):
            name, at = self.name("a variable's name")
            name = self.cell(name)
            self.expect("]")
            return Item(-1, name, at)
        self.accept("*")
        name, at = self.name("a variable (x) or a thread's register (0:r1)")
        return Item(-1, self.cell(name), at)


# ---- the initial state ----

TYPES = {"int", "long", "unsigned", "char", "short", "atomic_t", "atomic_long_t", "atomic64_t", "spinlock_t", "bool", "struct",
         "u8", "u16", "u32", "u64", "s8", "s16", "s32", "s64", "size_t", "uint64_t", "int64_t", "uint32_t", "int32_t", "volatile",
         "atomic_int", "atomic_long"}


def initial(source: Source) -> Initial:
    """Read the ``{ ... }``. LitmusError."""
    reader = _Reader(source, source.init)
    found = Initial()
    reader.expect("{")
    while not reader.accept("}"):
        if reader.accept(";"):
            continue
        if reader.kind == "register":
            item = reader.register()
            reader.expect("=")
            found.registers[item.thread, item.name] = reader.value(found.pointed)
        else:
            _declaration(reader, found)
        if reader.word != "}":
            reader.expect(";")
    if reader.kind != "end":
        raise reader.error("the first thread")
    return found


def _declaration(reader: _Reader, found: Initial) -> None:
    words: list[str] = []
    while reader.kind == "name" and reader.word in TYPES:
        words.append(reader.take()[0])
    if "struct" in words:
        reader.next -= 1
        raise reader.error("int, long, a pointer, atomic_t, atomic_long_t or spinlock_t")
    if reader.kind == "register":  # int 0:r1 = 5
        item = reader.register()
        reader.expect("=")
        found.registers[item.thread, item.name] = reader.value(found.pointed)
        return
    pointer = False
    while reader.accept("*"):
        pointer = True
    bracketed = not words and reader.accept("[")
    name, at = reader.name("a variable, as in x=1")
    if bracketed:
        reader.expect("]")
    if name in found.locations or name in found.arrays:
        raise reader.source.error(at, f"{name} for the second time", "each variable once")
    found.types[name] = " ".join(words) + (" *" if pointer else "")
    if reader.accept("["):
        _array(reader, found, name)
    elif reader.accept("="):
        found.locations[name] = _initial_value(reader, found)
    else:
        found.locations[name] = 0


def _initial_value(reader: _Reader, found: Initial) -> Value:
    if reader.accept("ATOMIC_INIT", "ATOMIC_LONG_INIT", "ATOMIC64_INIT"):
        reader.expect("(")
        value = reader.number("a number")
        reader.expect(")")
        return value
    if reader.accept("__SPIN_LOCK_UNLOCKED", "SPIN_LOCK_UNLOCKED"):
        if reader.accept("("):
            reader.name("the lock's name")
            reader.expect(")")
        return 0
    return reader.value(found.pointed)


def _array(reader: _Reader, found: Initial, name: str) -> None:
    size = reader.number("the number of cells")
    if not 1 <= size <= 64:
        reader.next -= 1
        raise reader.error("1 to 64 cells")
    reader.expect("]")
    values: list[Value] = []
    if reader.accept("="):
        reader.expect("{")
        while not reader.accept("}"):
            values.append(reader.value(found.pointed))
            if reader.word != "}":
                reader.expect(",")
    if len(values) > size:
        raise reader.error(f"at most {size} values before it")
    found.arrays[name] = size
    for i in range(size):
        found.locations[f"{name}[{i}]"] = values[i] if i < len(values) else 0


# ---- the condition ----

def condition(source: Source) -> Condition:
    """Read what follows the threads. LitmusError."""
    reader = _Reader(source, source.condition)
    items: list[Item] = []
    filter: Prop | None = None
    while True:
        if reader.accept("locations"):
            reader.expect("[")
            while not reader.accept("]"):
                items.append(reader.item())
                if reader.word != "]":
                    reader.expect(";")
            reader.accept(";")
        elif reader.accept("filter"):
            filter = _implication(reader)
            reader.accept(";")
        else:
            break
    if reader.kind == "end" and items:
        return Condition("forall", Prop("true"), filter, items)
    kind = "exists"
    if reader.accept("~exists") or (reader.accept("~") and reader.word == "exists"):
        kind = "~exists"
        reader.accept("exists")
    elif reader.accept("forall"):
        kind = "forall"
    else:
        reader.expect("exists", "exists, ~exists, forall, filter or locations")
    prop = _implication(reader)
    reader.accept(";")
    if reader.kind != "end":
        raise reader.error("the end of the file")
    return Condition(kind, prop, filter, items)


def _chain(reader: _Reader, op: str, signs: tuple[str, ...], part: Callable[[_Reader], Prop]) -> Prop:
    parts = [part(reader)]
    while reader.accept(*signs):
        parts.append(part(reader))
    return parts[0] if len(parts) == 1 else Prop(op, tuple(parts))


def _implication(reader: _Reader) -> Prop:
    left = _chain(reader, "or", ("\\/", "||"), _conjunction)
    return Prop("=>", (left, _implication(reader))) if reader.accept("=>") else left


def _conjunction(reader: _Reader) -> Prop:
    return _chain(reader, "and", ("/\\", "&&"), _atom)


def _atom(reader: _Reader) -> Prop:
    negated = False
    while reader.accept("~", "not"):
        negated = not negated
    if negated:
        return Prop("not", (_atom(reader),))
    if reader.accept("("):
        inner = _implication(reader)
        reader.expect(")")
        return inner
    if reader.word in ("true", "false"):
        return Prop(reader.take()[0])
    item = reader.item()
    op = "=" if reader.accept("=", "==") else "!="
    if op == "!=" and not reader.accept("!=", "<>"):
        raise reader.error("= and a value")
    if reader.kind == "register" or reader.word in ("[", "*"):
        return Prop(op, (), item, other=reader.item())
    return Prop(op, (), item, reader.value([], "a number, a variable's name for its address, a register (0:r1) or [x]"))


__all__ = ["Condition", "Initial", "Item", "Prop", "Value", "condition", "initial"]
