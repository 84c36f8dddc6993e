"""Is it still the same thing that is explored? A number for a program, a scope, the code of a function."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from types import CodeType
from typing import Any


def fingerprint(*parts: object) -> str:
    """A number for values whose repr() says all about them."""
    return hashlib.sha256("\n".join(map(repr, parts)).encode()).hexdigest()


def _code(code: CodeType) -> tuple[Any, ...]:
    constants = tuple(_code(c) if isinstance(c, CodeType) else c for c in code.co_consts)
    return code.co_name, code.co_code, code.co_names, code.co_varnames, constants


def code_of(function: Callable[..., object]) -> object:
    """What a function does, without where it is: its code, its defaults and what it closes over; of another callable its name."""
    code = getattr(function, "__code__", None)
    if code is None:
        return repr(type(function)), getattr(function, "__qualname__", "")
    held = [cell.cell_contents for cell in getattr(function, "__closure__", None) or ()]
    values = [code_of(value) if callable(value) else value if isinstance(value, (int, str, tuple, bool)) else type(value) for value in held]
    return _code(code), getattr(function, "__defaults__", None), values


__all__ = ["code_of", "fingerprint"]
