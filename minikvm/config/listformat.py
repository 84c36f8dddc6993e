"""The kernel's list format ("0,2-7") and hexadecimal masks ("0x1f"), as a YAML file writes sets of indexes.

The format is that of Documentation/admin-guide/kernel-parameters.rst ("cpu lists"), without its ``:used/group`` form.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

_ITEM = re.compile(r"([0-9]{1,9})(?:-([0-9]{1,9}))?", re.ASCII)
_MASK = re.compile(r"0[xX]([0-9a-fA-F]{1,4096})", re.ASCII)


class BadList(ValueError):
    """The text is no list: ``part`` is the piece that is wrong, ``expected`` what should stand there."""

    def __init__(self, part: str, expected: str) -> None:
        super().__init__(f"got {part!r}, expected {expected}")
        self.part = part
        self.expected = expected


def parse_list(text: str, limit: int) -> tuple[int, ...]:
    """The indexes of a list, ascending, each once. Raises BadList; also for an index of ``limit`` or more, and for no index."""
    found = 0  # a bit an index: a text may name the same long range very often
    for piece in text.split(","):
        part = piece.strip()
        match = _ITEM.fullmatch(part)
        if match is None:
            raise BadList(part, 'an index or a range, as in "0,2-7"')
        first, last = int(match[1]), int(match[2] or match[1])
        if first > last:
            raise BadList(part, f"a range that goes up ({last}-{first})")
        if last >= limit:
            raise BadList(part, f"indexes 0..{limit - 1}")
        found |= ((1 << last - first + 1) - 1) << first
    return _indexes(found)


def parse_set(text: str, limit: int) -> tuple[int, ...]:
    """A list, or a mask ("0x" and hexadecimal digits, bit 0 is index 0). Raises BadList as parse_list does."""
    stripped = text.strip()
    mask = _MASK.fullmatch(stripped)
    if mask is None:
        return parse_list(text, limit)
    bits = int(mask[1], 16)
    if bits.bit_length() > limit:
        raise BadList(stripped, f"indexes 0..{limit - 1}, not bit {bits.bit_length() - 1}")
    if not bits:
        raise BadList(stripped, "at least one bit set")
    return _indexes(bits)


def _indexes(bits: int) -> tuple[int, ...]:
    return tuple(index for index, digit in enumerate(reversed(f"{bits:b}")) if digit == "1")


def format_list(indexes: Iterable[int]) -> str:
    """``{0, 2, 3, 4}`` -> ``"0,2-4"``."""
    runs: list[list[int]] = []
    for index in sorted(set(indexes)):
        if runs and runs[-1][1] == index - 1:
            runs[-1][1] = index
        else:
            runs.append([index, index])
    return ",".join(str(a) if a == b else f"{a}-{b}" for a, b in runs)
