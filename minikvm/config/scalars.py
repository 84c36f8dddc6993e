"""Plain YAML scalars, read by the core schema of YAML 1.2.2 (section 10.3.2), and nothing more.

So ``no``, ``on`` and ``yes`` are strings, ``010`` is ten, ``0o10`` is eight, and ``1:30`` is a string; YAML 1.1 differs in each.
"""

from __future__ import annotations

import re

Scalar = str | int | float | bool | None

MAX_DIGITS = 100
"""Longest number that is read; Python would refuse more than 4300 digits with a message of its own."""

_NULLS = frozenset({"", "~", "null", "Null", "NULL"})
_BOOLS = {"true": True, "True": True, "TRUE": True, "false": False, "False": False, "FALSE": False}
_INT = re.compile(r"[-+]?[0-9]+", re.ASCII)
_OCTAL = re.compile(r"0o[0-7]+", re.ASCII)
_HEX = re.compile(r"0x[0-9a-fA-F]+", re.ASCII)
_FLOAT = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?", re.ASCII)
_INF = re.compile(r"([-+]?)\.(inf|Inf|INF)")
_NAN = frozenset({".nan", ".NaN", ".NAN"})


class TooLong(ValueError):
    """A number of more than MAX_DIGITS characters."""


def resolve_plain(text: str) -> Scalar:
    """The value of an unquoted scalar. Raises TooLong."""
    if text in _NULLS:
        return None
    if text in _BOOLS:
        return _BOOLS[text]
    if text[0] not in "+-.0123456789":
        return text
    return _number(text)


def _number(text: str) -> Scalar:
    if infinite := _INF.fullmatch(text):
        return float(f"{infinite[1]}inf")
    if text in _NAN:
        return float("nan")
    for pattern, base in ((_INT, 10), (_OCTAL, 8), (_HEX, 16)):
        if pattern.fullmatch(text):
            _check_length(text)
            return int(text, base) if base == 10 else int(text[2:], base)
    if _FLOAT.fullmatch(text):
        _check_length(text)
        return float(text)
    return text


def _check_length(text: str) -> None:
    if len(text) > MAX_DIGITS:
        raise TooLong(text)


def resolve_tagged(tag: str, text: str) -> Scalar:
    """The value of a scalar with an explicit core tag (``str``, ``int``, ``float``, ``bool``, ``null``).

    Raises ValueError when the text is not of that type (TooLong for a number that is too long).
    """
    if tag == "str":
        return text
    value = resolve_plain(text)
    if tag == "float" and isinstance(value, int) and not isinstance(value, bool):
        return float(value)
    kinds: dict[str, type] = {"int": int, "float": float, "bool": bool, "null": type(None)}
    if type(value) is not kinds[tag]:
        raise ValueError(text)
    return value
