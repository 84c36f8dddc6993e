"""A second reader and interpreter of the statement grammar (docs: minikvm.check.Program), sharing no code with the explorer's.

A thread is deterministic in what its reads and choices give. So its runs form a tree: a Node is the thread after some results, and holds
the event that comes next; `node.after(result)` is the node behind that event. Nodes are made once: equal runs are the same object.
"""
from __future__ import annotations

import re
from typing import NamedTuple

MASK = (1 << 64) - 1
ORDERS = ("plain", "relaxed", "once", "acquire", "release", "acq_rel", "sc", "full")
FENCES = ("mb", "wmb", "rmb", "acquire", "release", "acq_rel", "sc", "before_atomic", "after_atomic", "barrier",
          "after_spinlock", "after_unlock_lock")
RMWS = ("ADD", "OR", "AND", "XOR", "XCHG", "CAS", "ADD_UNLESS", "TRYLOCK")
INIT = "init"


class Statement(NamedTuple):
    op: str
    loc: str | None = None
    reg: str | None = None          # the register that gets a value; None: nobody
    order: str = "relaxed"          # of a fence: its kind
    args: tuple = ()                # operands: integers or names of registers; a condition's sign, a label
    deps: tuple = ((), (), ())      # registers: addr, data, ctrl


class Event(NamedTuple):
    """A step of a thread that others can see, or a choice. kind: R, W, RMW (an RMW that wrote), F, CHOOSE, SPAWN, JOIN."""
    kind: str
    statement: Statement
    rval: int | None = None
    wval: int | None = None
    deps: tuple = ((), (), ())      # places in the thread: addr, data, ctrl
    blocked: bool = False

    @property
    def loc(self):
        return self.statement.loc


def parse(text, order="relaxed"):
    """Threads of a program's text: lists of Statement."""
    text = "\n".join(line.split("#")[0] for line in text.splitlines())
    return [[parse_statement(s, order) for s in re.split(r"[;\n]", part) if s.strip()] for part in text.split("||")]


def parse_statement(text, order):
    words = text.split()
    deps = {"addr": (), "data": (), "ctrl": ()}
    while "=" in words[-1] and words[-1].split("=")[0] in deps:
        name, registers = words.pop().split("=")
        deps[name] = tuple(registers.split(","))
    op, rest, deps = words[0], words[1:], tuple(deps.values())
    if op.endswith(":"):
        return Statement("LABEL", args=(op[:-1],))
    if op == "W":
        return Statement(op, rest[0], None, rest[2] if rest[2:] else order, (value(rest[1]),), deps)
    if op == "R":
        return Statement(op, rest[0], register(rest[1]), rest[2] if rest[2:] else order, (), deps)
    if op == "F":
        return Statement(op, order=rest[0] if rest else "mb")
    if op in ("ADD", "OR", "AND", "XOR", "XCHG"):
        return Statement(op, rest[0], register(rest[1]), rest[3] if rest[3:] else order, (value(rest[2]),), deps)
    if op == "TRYLOCK":
        return Statement(op, rest[0], register(rest[1]), "acquire", (), deps)
    if op in ("CAS", "ADD_UNLESS"):  # expected and new; unless and what is added
        return Statement(op, rest[0], register(rest[1]), rest[4] if rest[4:] else order, (value(rest[2]), value(rest[3])), deps)
    if op == "AWAIT":
        orders = [word for word in rest[4:] if word in ORDERS]
        return Statement(op, rest[0], register(rest[1]), orders[0] if orders else order, (rest[2], value(rest[3])), deps)
    if op == "LOCK":
        return Statement(op, rest[0], None, "acquire")
    if op == "UNLOCK":
        return Statement(op, rest[0], None, "release", (0,))
    if op == "CHOOSE":
        return Statement(op, reg=rest[0], args=(int(rest[1]),))
    if op == "SET":
        return Statement(op, reg=rest[0], args=(value(rest[1]),))
    if op == "CALC":
        return Statement(op, reg=rest[0], args=(value(rest[1]), rest[2], value(rest[3])))
    if op == "IF":
        assert rest[3] == "GOTO", text
        return Statement(op, args=(value(rest[0]), rest[1], value(rest[2]), rest[4]))
    if op == "GOTO":
        return Statement(op, args=(rest[0],))
    if op in ("SPAWN", "JOIN"):
        return Statement(op, args=(int(rest[0]),))
    if op == "ASSERT":
        return Statement(op, args=(value(rest[0]), rest[1], value(rest[2])))
    raise ValueError(f"not a statement: {text!r}")


def value(word):
    return int(word, 0) & MASK if re.fullmatch(r"-?(0x)?[0-9a-fA-F]+", word) and not word[0].isalpha() else word


def register(word):
    return None if word == "_" else word


def holds(a, sign, b):
    """A condition of an await, IF or ASSERT."""
    return {"==": a == b, "!=": a != b, "<": a < b, ">": a > b, "&": a & b != 0, "!&": a & b == 0}[sign]


class Node:
    """A thread after some results. `event`: what comes next (values that need a read are not known yet), None at the end."""

    __slots__ = ("_children", "_last_read", "_pc", "_statements", "event", "history", "registers", "waits_for")

    def __init__(self, statements, pc=0, registers=None, last_read=None, history=()):
        self._statements = statements
        self.registers = dict(registers or {})
        self._last_read = last_read or {}
        self.history = history
        self._children = {}
        self.waits_for = None  # of an await: sign and operand
        self._pc = self._run(pc)
        self.event = self._next() if self._pc < len(statements) else None

    def _run(self, pc):
        """Runs what nobody sees, up to the next event."""
        labels = {s.args[0]: i for i, s in enumerate(self._statements) if s.op == "LABEL"}
        while pc < len(self._statements):
            s = self._statements[pc]
            pc += 1
            if s.op == "SET":
                self.registers[s.reg] = self.val(s.args[0])
            elif s.op == "CALC":
                a, sign, b = self.val(s.args[0]), s.args[1], self.val(s.args[2])
                self.registers[s.reg] = {"+": a + b, "-": a - b, "&": a & b, "|": a | b, "^": a ^ b}[sign] & MASK
            elif s.op == "IF":
                if holds(self.val(s.args[0]), s.args[1], self.val(s.args[2])):
                    pc = labels[s.args[3]]
            elif s.op == "GOTO":
                pc = labels[s.args[0]]
            elif s.op not in ("LABEL", "ASSERT"):
                return pc - 1
        return pc

    def val(self, operand):
        """A number; or an address, which is the text &x."""
        return operand if isinstance(operand, int) or operand.startswith("&") else self.registers.get(operand, 0)

    def _next(self):
        s = self._statements[self._pc]
        if s.loc is not None and s.loc.startswith("*"):
            s = s._replace(loc=self.registers[s.loc[1:]].removeprefix("&"))
        deps = tuple(tuple(sorted({self._last_read[r] for r in names if r in self._last_read})) for names in s.deps)
        if s.op in ("W", "UNLOCK"):
            return Event("W", s, wval=self.val(s.args[0]), deps=deps)
        if s.op == "F":
            return Event("F", s)
        if s.op in ("CHOOSE", "SPAWN", "JOIN"):
            return Event(s.op, s)
        if s.op == "AWAIT":
            self.waits_for = s.args[0], self.val(s.args[1])
        elif s.op == "LOCK":
            self.waits_for = "==", 0
        return Event("R" if s.op in ("R", "AWAIT") else "RMW", s, deps=deps)

    def satisfied(self, rval):
        """Would the read that comes next end with this value, or go on waiting?"""
        return self.waits_for is None or holds(rval, *self.waits_for)

    def after(self, result=None):
        """The thread when its next event read (or chose) `result`; None for events that give nothing."""
        if result not in self._children:
            self._children[result] = self._step(result)
        return self._children[result]

    def _step(self, result):
        event = self.event
        s = event.statement
        if event.kind == "RMW":
            wval = self._written(s, result)
            event = event._replace(kind="R" if wval is None else "RMW", wval=wval)
        registers, last_read = dict(self.registers), dict(self._last_read)
        if s.reg is not None:
            registers[s.reg] = result
            if s.op != "CHOOSE":
                last_read[s.reg] = len(self.history)
        event = event._replace(rval=result)
        return Node(self._statements, self._pc + 1, registers, last_read, (*self.history, event))

    def _written(self, s, old):
        if s.op == "LOCK":
            return 1
        if s.op == "CAS":
            return self.val(s.args[1]) if old == self.val(s.args[0]) else None
        if s.op == "ADD_UNLESS":
            return old + self.val(s.args[1]) & MASK if old != self.val(s.args[0]) else None
        if s.op == "TRYLOCK":
            return 1 if old == 0 else None
        a = self.val(s.args[0])
        if s.op == "XCHG":
            return a
        return {"ADD": old + a, "OR": old | a, "AND": old & a, "XOR": old ^ a}[s.op] & MASK
