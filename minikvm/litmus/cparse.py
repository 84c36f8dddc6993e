"""The C of one thread as pycparser's tree. The kernel's types are names that it is told."""

from __future__ import annotations

import re
from functools import cache

from pycparser import c_ast, c_parser

from minikvm.litmus.errors import LitmusError, shown
from minikvm.litmus.source import Source

TYPES = ("atomic_t", "atomic_long_t", "atomic64_t", "spinlock_t", "bool", "size_t", "u8", "u16", "u32", "u64", "s8", "s16", "s32", "s64",
         "uint32_t", "uint64_t", "int32_t", "int64_t", "intptr_t", "uintptr_t", "atomic_int", "atomic_long")
PREAMBLE = "".join(f"typedef int {name};" for name in TYPES)
PLACED = re.compile(r".*?:(\d+):(\d+): (.*)", re.DOTALL)
WORD = re.compile(r"\w+|[^\w\s]")


@cache
def _parser() -> c_parser.CParser:
    return c_parser.CParser()


def _parse(text: str, first_line: int) -> c_ast.FileAST:
    return _parser().parse(f'{PREAMBLE}\n#line {first_line} "litmus"\n{text}\n', "litmus")


def _message(text: str, first_line: int) -> str | None:
    try:
        _parse(text, first_line)
    except c_parser.ParseError as error:
        return str(error)
    return None


def _last_good(text: str, first_line: int, message: str) -> int:
    """Where the text stops being the beginning of something: for messages that name no place."""
    ends = [match.end() for match in WORD.finditer(text)]
    low, high = 0, len(ends) - 1
    while low < high:
        middle = (low + high) // 2
        if _message(text[: ends[middle]], first_line) == message:
            high = middle
        else:
            low = middle + 1
    return max((match.start() for match in WORD.finditer(text[: ends[low]])), default=0)


def function(source: Source, begin: int, text: str) -> c_ast.FuncDef:
    """The thread that begins at this character; *text* is a part of the source. LitmusError."""
    line, column = source.place(begin)
    text = " " * (column - 1) + text[begin:]
    try:
        tree = _parse(text, line)
    except c_parser.ParseError as error:
        placed = PLACED.fullmatch(str(error))
        if placed:
            line, column = int(placed[1]), int(placed[2])
            said = placed[3]
        else:
            said = str(error).partition(": ")[2]
            at = _last_good(text, line, str(error))
            line, column = line + text.count("\n", 0, at), at - (text.rfind("\n", 0, at) + 1) + 1
        what = f"{said.removeprefix('before: ')!r}" if said.startswith("before: ") else said[:1].lower() + said[1:]
        raise LitmusError(shown(what), "C as in linux-kernel.def", line, column) from None
    except RecursionError:
        raise LitmusError("code too deeply nested", "a litmus test, which is a page of text", line, column) from None
    found = [node for node in tree.ext if not isinstance(node, c_ast.Typedef)]
    if len(found) != 1 or not isinstance(found[0], c_ast.FuncDef):
        raise LitmusError("no function", "a thread, P0(...) { ... }", line, column)
    return found[0]


__all__ = ["function"]
