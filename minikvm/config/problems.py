"""What is wrong with a configuration: a list of problems with their places, and the one exception that carries it."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

MAX_SHOWN = 50
"""Problems printed by ``str(ConfigError)``; the rest is counted. ``ConfigError.problems`` holds all."""

MAX_VALUE = 40
"""Characters of a value that a message shows."""

MAX_PATH = 80
"""Characters of a path that a message shows."""

Path = tuple[str | int, ...]


@dataclass(frozen=True)
class Problem:
    """One wrong thing at one place.

    ``line`` and ``column`` count from 1; 0 means that the whole file is meant. ``value`` is the text as it stands in the
    file, shortened. ``fault`` replaces "got <value>" where nothing was got ("missing", "unknown key").
    """

    file: str
    line: int
    column: int
    path: Path
    value: str
    expected: str
    hint: str = ""
    fault: str = ""

    @property
    def message(self) -> str:
        """The sentence without the place: ``got 99, expected a vCPU index 0..7``."""
        text = f"{self.fault or f'got {self.value}'}, expected {self.expected}"
        return f"{text} ({self.hint})" if self.hint else text

    def __str__(self) -> str:
        place = f"{self.file}:{self.line}:{self.column}" if self.line else self.file
        where = format_path(self.path)
        return f"{place}: {where}: {self.message}" if where else f"{place}: {self.message}"


class ConfigError(Exception):
    """A configuration cannot be used. ``problems``: every one found, sorted by place; never empty."""

    exit_code = 2

    def __init__(self, problems: Iterable[Problem]) -> None:
        self.problems: tuple[Problem, ...] = tuple(sorted(problems, key=lambda p: (p.file, p.line, p.column)))
        super().__init__(self.problems)

    def __str__(self) -> str:
        lines = [str(problem) for problem in self.problems[:MAX_SHOWN]]
        if len(self.problems) > MAX_SHOWN:
            lines.append(f"{self.problems[0].file}: and at least {len(self.problems) - MAX_SHOWN} more problems")
        return "\n".join(lines)


def format_path(path: Sequence[str | int]) -> str:
    """``("workload", 1, "targets")`` -> ``workload[1].targets``; keys that are no plain names are quoted."""
    text = ""
    for part in path:
        if isinstance(part, int):
            text += f"[{shorten(str(part))}]"
        else:
            plain = part.replace("_", "").replace("-", "").isalnum()
            text += ("." if text else "") + (shorten(part) if plain else quoted(part))
    return text if len(text) <= MAX_PATH else f"{text[: MAX_PATH - 3]}..."


def shorten(text: str) -> str:
    """The text on one line, cut to MAX_VALUE characters; control characters are escaped."""
    shown = "".join(c if c.isprintable() else c.encode("unicode_escape").decode("ascii") for c in text[: MAX_VALUE + 1])
    return shown if len(text) <= MAX_VALUE and len(shown) <= 2 * MAX_VALUE else f"{shown[: MAX_VALUE - 3]}..."


def quoted(text: str) -> str:
    """The text in double quotes, shortened."""
    return f'"{shorten(text)}"'


def did_you_mean(name: str, names: Iterable[str]) -> str:
    """``did you mean X?`` for the nearest of ``names`` (case does not count), or "" when none is near."""
    by_folded = {candidate.casefold(): candidate for candidate in names}
    near = difflib.get_close_matches(name[:MAX_VALUE].casefold(), by_folded, n=1, cutoff=0.6)
    return f"did you mean {by_folded[near[0]]}?" if near else ""


def one_of(names: Iterable[str]) -> str:
    """``a, b or c`` in the given order."""
    listed = list(names)
    return listed[0] if len(listed) == 1 else f"{', '.join(listed[:-1])} or {listed[-1]}" if listed else "nothing"
