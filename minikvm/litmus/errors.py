"""What is wrong with a litmus file: one sentence with its place."""

from __future__ import annotations

MAX_SHOWN = 40
"""Characters of the file that a message shows."""


class LitmusError(Exception):
    """A file cannot be read, or uses what is not supported. ``str()`` is one line: ``file:line:column: what, expected what``.

    line and column count from 1; 0 means that the whole file is meant.
    """

    exit_code = 2

    def __init__(self, what: str, expected: str, line: int = 0, column: int = 0, file: str = "") -> None:
        super().__init__(what, expected, line, column, file)
        self.what = what
        self.expected = expected
        self.line = line
        self.column = column
        self.file = file

    @property
    def message(self) -> str:
        """The sentence without the place."""
        return f"{self.what}, expected {self.expected}"

    def __str__(self) -> str:
        place = f"{self.file}:{self.line}:{self.column}" if self.line else self.file
        return f"{place}: {self.message}" if place else self.message


def shown(text: str) -> str:
    """A piece of a file for a message: on one line, printable, at most 40 characters."""
    text = " ".join(text.split())
    text = text if len(text) <= MAX_SHOWN else f"{text[: MAX_SHOWN - 3]}..."
    return "".join(c if c.isprintable() else "?" for c in text)


__all__ = ["LitmusError", "shown"]
