"""Numbers, durations and foreign text as a person reads them; ASCII only, so that any terminal and any pipe can show them."""

from __future__ import annotations

import re
import textwrap

from rich.console import Console

_NUMBER_AND_UNIT = re.compile(r"(?<=\d) (?=(?:ns|us|ms|s|min|h|%|times|vCPUs?|pCPUs?|IPIs?|sends?|checks?)(?![\w-]))")


def number(value: int) -> str:
    """*value* with thousands separators: ``1,234,567``."""
    return f"{value:,}"


def times(value: int) -> str:
    """How often: ``once``, ``twice``, ``3 times``."""
    return {1: "once", 2: "twice"}.get(value, f"{number(value)} times")


def plural(value: int, noun: str) -> str:
    """``1 vCPU``, ``8 vCPUs``."""
    return f"{number(value)} {noun}{'' if value == 1 else 's'}"


def duration(nanoseconds: int | None) -> str:
    """*nanoseconds* with three significant digits and a unit (``12.3 us``), ``-`` for None.

    From one minute on it is written in the two largest units (``2 min 5 s``).
    """
    if nanoseconds is None:
        return "-"
    if nanoseconds < 1000:
        return f"{nanoseconds} ns"
    for unit, size in (("us", 1e3), ("ms", 1e6), ("s", 1e9)):
        text = _three_digits(nanoseconds / size)
        if float(text) < (60 if unit == "s" else 1000):
            return f"{text} {unit}"
    return _long(round(nanoseconds / 1e9))


def seconds(value: float) -> str:
    """*value* seconds, written like :func:`duration`."""
    return duration(round(value * 1e9)) if value else "0 s"


def printable(text: str, console: Console) -> str:
    """*text* safe to print on *console*: control characters, and what its encoding lacks, become backslash escapes.

    Names come from a user's YAML and from plugins; an escape sequence in one must not reach the terminal.
    """
    shown = "".join(c if c.isprintable() else c.encode("unicode_escape").decode("ascii") for c in text)
    return shown.encode(console.encoding, "backslashreplace").decode(console.encoding)


def fold(text: str, width: int, indent: int = 0) -> list[str]:
    """*text* as lines of at most *width* cells, each indented; never broken between a number and its unit, nor at a hyphen."""
    glued = _NUMBER_AND_UNIT.sub("\u00a0", text)
    margin = " " * min(indent, width // 2)
    lines = textwrap.wrap(glued, width, initial_indent=margin, subsequent_indent=margin, break_on_hyphens=False)
    return [line.replace("\u00a0", " ") for line in lines]


def _three_digits(value: float) -> str:
    # A value that rounds up to the next power of ten (9.996) takes that power's number of decimals.
    for decimals, limit in ((2, 10.0), (1, 100.0)):
        if round(value, decimals) < limit:
            return f"{value:.{decimals}f}"
    return f"{value:.0f}"


def _long(whole_seconds: int) -> str:
    minutes, rest = divmod(whole_seconds, 60)
    if minutes < 60:
        return f"{minutes} min {rest} s"
    hours, minutes = divmod(minutes, 60)
    return f"{number(hours)} h {minutes} min"
