"""The kernel's list format for sets of small numbers: ``0,2-7``, ``0-31:2/8``, ``N``, ``all``.

Source: "cpu lists" in Documentation/admin-guide/kernel-parameters.rst; bitmap_parselist() in lib/bitmap-str.c.
"""

from __future__ import annotations

import re
from typing import NamedTuple, NoReturn

MAX_TEXT = 65536
"""The longest text that is read, in characters. The longest that a set of 4096 needs is shorter by far."""

_SHOWN = 24
_REGION = re.compile(r"[^\s,]+", re.ASCII)
_NUMBER = re.compile(r"0*([0-9]+)|N")


class Region(NamedTuple):
    """The numbers first..last; of each *group* of them, counted from first, the first *used*."""

    first: int
    last: int
    used: int
    group: int


class ListFormatError(ValueError):
    """A text that is not in the list format.

    ``position`` is the index into the text, from 0, of what is wrong; ``reason`` is the message without the place.
    """

    def __init__(self, reason: str, position: int, text: str = "") -> None:
        super().__init__(reason, position, text)
        self.reason = reason
        self.position = position
        self.text = text

    def __str__(self) -> str:
        return f"list {_quoted(self.text)}, column {self.position + 1}: {self.reason}"


def parse_regions(text: str, nbits: int) -> list[Region]:
    """The regions of *text*, a list over the numbers 0 .. *nbits* - 1.

    Regions are separated by commas or white space, as in the kernel; an empty text is an empty list. ``N`` is the last
    number, ``all`` (in any case) is every number, ``a-b:used/group`` takes the first *used* of each *group*.

    Raises ListFormatError (a ValueError) with the position; TypeError if *text* is no str. The time taken is linear in the
    length of the text, which may be MAX_TEXT at most.
    """
    if not isinstance(text, str):
        raise TypeError(f"list format: expected a str such as '0,2-7', not {type(text).__name__}")
    if len(text) > MAX_TEXT:
        raise ListFormatError(f"the text has {len(text)} characters: expected at most {MAX_TEXT}", MAX_TEXT, text)
    return [_Reader(text, match.start(), match.end(), nbits).region() for match in _REGION.finditer(text)]


class _Reader:
    """Reads one region of the text, from left to right."""

    def __init__(self, text: str, start: int, end: int, nbits: int) -> None:
        self.text, self.at, self.end, self.nbits = text, start, end, nbits

    def region(self) -> Region:
        start = self.at
        if self.text[start : start + 3].lower() == "all":
            self.at += 3
            first, last = 0, self.nbits - 1
            after = "':' or the end of the region"
        else:
            first = last = self.bit("a bit number, N or all")
            after = "'-' or the end of the region"
            if self.peek() == "-":
                self.at += 1
                last_at = self.at
                last = self.bit("a bit number or N")
                after = "':' or the end of the region"
                if last < first:
                    self.fail(f"the range {first}-{last} goes backwards: expected a last bit of {first} or more", last_at)
            elif self.peek() == ":":
                self.fail(f"a group needs a range: expected {first}-<last>:<used>/<group>", self.at)
        if self.peek() == ":" and after.startswith("':'"):
            return self.grouped(first, last)
        if self.at < self.end:
            self.unexpected(after)
        return Region(first, last, 1, 1)

    def grouped(self, first: int, last: int) -> Region:
        self.at += 1
        used_at = self.at
        used = self.number("the number of bits used in each group")
        if self.peek() != "/":
            self.unexpected("'/' and the size of a group")
        self.at += 1
        group_at = self.at
        group = self.number("the size of a group")
        if self.at < self.end:
            self.unexpected("the end of the region")
        if group == 0:
            self.fail("a group of 0 bits: expected 1 or more", group_at)
        if used > group:
            self.fail(f"{_short(used)} bits used of a group of {_short(group)}: expected at most {_short(group)}", used_at)
        return Region(first, last, used, group)

    def bit(self, expected: str) -> int:
        start = self.at
        bit = self.number(expected)
        if bit >= self.nbits:
            limit = f"expected 0..{self.nbits - 1}" if self.nbits else "expected none, there are 0 bits"
            self.fail(f"bit {_shortened(self.text[start : self.at])}: {limit}", start)
        return bit

    def number(self, expected: str) -> int:
        match = _NUMBER.match(self.text, self.at, self.end)
        if match is None:
            self.unexpected(expected)
        start, self.at = self.at, match.end()
        digits = match.group(1)
        if digits is None:
            if self.nbits == 0:
                self.fail("N is the last bit: expected none, there are 0 bits", start)
            return self.nbits - 1
        return int(digits) if len(digits) < _DIGITS else _TOO_LARGE  # a number of a megabyte is not worth its conversion

    def peek(self) -> str:
        return self.text[self.at] if self.at < self.end else ""

    def unexpected(self, expected: str) -> NoReturn:
        found = repr(self.text[self.at]) if self.at < self.end else "the end of the region"
        self.fail(f"found {found}: expected {expected}", self.at)

    def fail(self, reason: str, position: int) -> NoReturn:
        raise ListFormatError(reason, position, self.text)


_DIGITS = 10
_TOO_LARGE = 10**_DIGITS


def _short(number: int) -> str:
    return str(number) if number < _TOO_LARGE else f"{_TOO_LARGE} or more"


def _shortened(text: str) -> str:
    return text if len(text) <= _SHOWN else f"{text[:_SHOWN]}..."


def _quoted(text: str) -> str:
    return repr(_shortened(text))
