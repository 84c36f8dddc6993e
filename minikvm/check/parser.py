"""The text of programs: threads of operations, as litmus tests write them.

    W x 1; R y a || W y 1; R x b

``;`` or a new line between statements, ``||`` between threads, ``#`` begins a comment. Statements (docs/explorer.md has the table):
``W loc val [order]``, ``R loc reg [order]``, ``F [fence]``, ``ADD|OR|AND|XOR|XCHG loc reg|_ val [order]``,
``CAS loc reg|_ expected new [order]``, ``ADD_UNLESS loc reg|_ unless val [order]``, ``TRYLOCK loc reg|_``,
``AWAIT loc reg|_ ==|!=|&|!& val [order] [must|rest]``, ``LOCK loc``, ``UNLOCK loc``, ``CHOOSE reg n``, ``SET reg val``,
``CALC reg a op b``, ``IF a ==|!=|<|> b GOTO label``, ``GOTO label``, ``label:``, ``ASSERT a ==|!= b``, ``SPAWN n``, ``JOIN n``.
A loc may be ``*reg``: what the register points to; a val ``&x``: the address of x.
Any statement may end with the registers that it depends on: ``addr=a``, ``data=a,b``, ``ctrl=a``; SET and CALC with ``data=a`` hand on
what a depends on.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field, replace
from typing import TypeAlias

ORDERS = {
    "plain": 0, "relaxed": 1, "once": 1, "acquire": 2, "release": 3, "acq_rel": 4, "sc": 5, "full": 6,
}  # fmt: skip
"""enum mk_order, by name."""
FENCES = {
    "mb": 0, "wmb": 1, "rmb": 2, "before_atomic": 3, "after_atomic": 4, "barrier": 5,
    "acquire": 16, "release": 17, "acq_rel": 18, "sc": 19, "after_spinlock": 20, "after_unlock_lock": 21,
}  # fmt: skip
"""enum mk_fence_kind and fences.pxd, by name."""
RMW_OPS = {"OR": 0, "AND": 1, "ADD": 2, "XCHG": 3, "CAS": 4, "XOR": 5, "TRYLOCK": 18, "ADD_UNLESS": 19}
"""enum mk_rmw_op and explorer.pxd, by name."""
MAY_FAIL = ("CAS", "TRYLOCK", "ADD_UNLESS")
"""Those that write only where the value read allows it."""
AWAITS = {"==": 0, "!=": 1, "&": 2, "!&": 3}
COMPARES = ("==", "!=", "<", ">")
CALCS = ("+", "-", "&", "|", "^", "*", "<<", ">>", "==", "!=", "<", ">", "s<", "s<=")
NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_.\[\]]*\Z")
LABEL = re.compile(r"([A-Za-z_]\w*):\Z")

Value: TypeAlias = int | str
"""An integer, the name of a register, or "&x": the address of the location x."""


class ProgramError(ValueError):
    """A program's text is wrong; the message names the statement and what was expected."""


@dataclass(frozen=True)
class Row:
    """One statement. ``op`` is its first word; the others are used as the statement needs them.

    at: the register that holds the location's address, where no *loc* is named. line: of a source file, for messages; 0: none.
    """

    op: str
    loc: str | None = None
    at: str | None = None
    reg: str | None = None
    a: Value = 0
    b: Value = 0
    cond: str = ""
    order: str = ""
    must: bool = False
    label: str = ""
    deps: dict[str, tuple[str, ...]] = field(default_factory=dict)
    line: int = 0


def is_register(value: Value | None) -> bool:
    """Is it a register's name, and neither a number nor an address?"""
    return isinstance(value, str) and not value.startswith("&")


def value_of(word: str, statement: str) -> Value:
    """An integer (decimal, 0x..), a register's name, or & and a location's."""
    try:
        return int(word, 0)
    except ValueError:
        if NAME.match(word.removeprefix("&")):
            return word
        raise ProgramError(f"{statement!r}: {word!r} is neither a number nor a register nor an address") from None


def _take_dependencies(words: list[str], statement: str) -> dict[str, tuple[str, ...]]:
    deps: dict[str, tuple[str, ...]] = {}
    while words and words[-1].partition("=")[0] in ("addr", "data", "ctrl") and "=" in words[-1]:
        kind, _, names = words.pop().partition("=")
        if not names:
            raise ProgramError(f"{statement!r}: {kind}= needs the names of registers")
        deps[kind] = tuple(names.split(","))
    return deps


def _one_of(words: list[str], table: dict[str, int], default: str, statement: str, what: str) -> str:
    if not words:
        return default
    word = words.pop(0)
    if word not in table:
        raise ProgramError(f"{statement!r}: {word!r} is no {what}; expected one of {', '.join(table)}")
    return word


def _register(word: str) -> str | None:
    return None if word == "_" else word


def _need(words: list[str], n: int, statement: str, form: str) -> list[str]:
    if len(words) < n:
        raise ProgramError(f"{statement!r}: expected {form}")
    taken, words[:] = words[:n], words[n:]
    return taken


def _operator(word: str, allowed: tuple[str, ...] | dict[str, int], statement: str) -> str:
    if word not in allowed:
        raise ProgramError(f"{statement!r}: {word!r} is no operator here; expected one of {' '.join(allowed)}")
    return word


def parse_statement(statement: str, order: str) -> Row:
    """One statement as a Row; *order* is the default of accesses. ProgramError."""
    words = statement.split()
    deps = _take_dependencies(words, statement)
    op = words.pop(0)
    row: Row
    if op == "W":
        loc, val = _need(words, 2, statement, "W loc val [order]")
        row = Row(op, loc=loc, a=value_of(val, statement), order=_one_of(words, ORDERS, order, statement, "order"), deps=deps)
    elif op == "R":
        loc, reg = _need(words, 2, statement, "R loc reg [order]")
        row = Row(op, loc=loc, reg=_register(reg), order=_one_of(words, ORDERS, order, statement, "order"), deps=deps)
    elif op == "F":
        row = Row(op, order=_one_of(words, FENCES, "mb", statement, "fence"), deps=deps)
    elif op == "CAS":
        loc, reg, old, new = _need(words, 4, statement, "CAS loc reg|_ expected new [order]")
        row = Row(op, loc=loc, reg=_register(reg), a=value_of(new, statement), b=value_of(old, statement),
                  order=_one_of(words, ORDERS, order, statement, "order"), deps=deps)  # fmt: skip
    elif op == "TRYLOCK":
        loc, reg = _need(words, 2, statement, "TRYLOCK loc reg|_")
        row = Row(op, loc=loc, reg=_register(reg), order="acquire", deps=deps)
    elif op == "ADD_UNLESS":
        loc, reg, unless, val = _need(words, 4, statement, "ADD_UNLESS loc reg|_ unless val [order]")
        row = Row(op, loc=loc, reg=_register(reg), a=value_of(val, statement), b=value_of(unless, statement),
                  order=_one_of(words, ORDERS, order, statement, "order"), deps=deps)  # fmt: skip
    elif op in RMW_OPS:
        loc, reg, val = _need(words, 3, statement, f"{op} loc reg|_ val [order]")
        row = Row(op, loc=loc, reg=_register(reg), a=value_of(val, statement),
                  order=_one_of(words, ORDERS, order, statement, "order"), deps=deps)  # fmt: skip
    elif op == "AWAIT":
        loc, reg, cond, val = _need(words, 4, statement, "AWAIT loc reg|_ ==|!=|&|!& val [order] [must|rest]")
        must = words[-1:] == ["must"]
        if words[-1:] in (["must"], ["rest"]):
            words.pop()
        row = Row(op, loc=loc, reg=_register(reg), cond=_operator(cond, AWAITS, statement), a=value_of(val, statement), must=must,
                  order=_one_of(words, ORDERS, order, statement, "order"), deps=deps)  # fmt: skip
    elif op in ("LOCK", "UNLOCK"):
        row = Row(op, loc=_need(words, 1, statement, f"{op} loc")[0])
    elif op == "CHOOSE":
        reg, n = _need(words, 2, statement, "CHOOSE reg n")
        count = value_of(n, statement)
        if not isinstance(count, int) or count < 1:
            raise ProgramError(f"{statement!r}: {n!r} is no number of answers; expected a whole number of at least 1")
        row = Row(op, reg=reg, a=count)
    elif op == "SET":
        reg, val = _need(words, 2, statement, "SET reg val")
        row = Row(op, reg=reg, a=value_of(val, statement), deps=deps)
    elif op == "CALC":
        reg, a, cond, b = _need(words, 4, statement, f"CALC reg a {'|'.join(CALCS)} b")
        row = Row(op, reg=reg, a=value_of(a, statement), b=value_of(b, statement), cond=_operator(cond, CALCS, statement), deps=deps)
    elif op == "IF":
        a, cond, b, goto, label = _need(words, 5, statement, "IF a ==|!=|<|> b GOTO label")
        if goto != "GOTO":
            raise ProgramError(f"{statement!r}: {goto!r}; expected GOTO")
        row = Row(op, a=value_of(a, statement), b=value_of(b, statement), cond=_operator(cond, COMPARES, statement), label=label)
    elif op == "GOTO":
        row = Row(op, label=_need(words, 1, statement, "GOTO label")[0])
    elif op == "ASSERT":
        a, cond, b = _need(words, 3, statement, "ASSERT a ==|!= b")
        row = Row(op, a=value_of(a, statement), b=value_of(b, statement), cond=_operator(cond, COMPARES, statement))
    elif op in ("SPAWN", "JOIN"):
        thread = value_of(_need(words, 1, statement, f"{op} n")[0], statement)
        row = Row(op, a=thread)
    elif (match := LABEL.match(op)) and not words:
        row = Row("LABEL", label=match[1])
    else:
        raise ProgramError(f"{statement!r}: no statement begins with {op!r}")
    if words:
        raise ProgramError(f"{statement!r}: {' '.join(words)!r} is too much")
    if row.loc is not None and row.loc.startswith("*"):
        return replace(row, loc=None, at=row.loc[1:])
    return row


def parse_thread(text: str, order: str) -> list[Row]:
    """The rows of one thread."""
    statements = (part.strip() for line in text.split("\n") for part in line.partition("#")[0].split(";"))
    return [parse_statement(statement, order) for statement in statements if statement]
