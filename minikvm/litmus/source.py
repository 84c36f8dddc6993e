"""A litmus file cut into its parts: the name, the initial state, the threads' C, the condition. Every part keeps its place.

A part is the file's text with everything else, comments too, turned to spaces: so a place in it is the place in the file.
Comments are (* *), nested, outside the C code, and /* */ and // everywhere.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from dataclasses import dataclass, field
from pathlib import Path

from minikvm.litmus.errors import LitmusError, shown

MAX_BYTES = 1 << 18
"""A litmus test is a page of text. The explorer's time is exponential in it."""
MAX_DEPTH = 100
"""Of brackets inside one another."""

HEADER = re.compile(r"[ \t]*(\S+)(?:[ \t]+([^\s(\"]+))?")
SKIPPED = re.compile(r'\s+|"[^"]*"|[A-Za-z]+=[^\n{]*')
FUNCTION = re.compile(r"(?:(?:static|void)\s+)*P(\d+)\s*\(")
RESULT = re.compile(r"Result:\s*(Never|Sometimes|Always|DEADLOCK)\b(\s+DATARACE\b)?")
PAIRS = {")": "(", "]": "[", "}": "{"}


@dataclass
class Source:
    """The parts of one file. threads: the text of each ``P0(...) { ... }``, and where it begins. result: what a comment expects."""

    name: str
    text: str
    init: str
    threads: list[tuple[int, str]]
    condition: str
    result: str | None = None
    races: bool = False
    lines: list[int] = field(default_factory=list)

    def place(self, offset: int) -> tuple[int, int]:
        """(line, column) of a character, from 1."""
        line = bisect_right(self.lines, offset)
        return line, offset - self.lines[line - 1] + 1

    def error(self, offset: int, what: str, expected: str) -> LitmusError:
        """For something at that character."""
        return LitmusError(what, expected, *self.place(min(offset, len(self.text))))


def read(path: str) -> str:
    """The text of a file. LitmusError when it is none; OSError."""
    with Path(path).open("rb") as file:
        data = file.read(MAX_BYTES + 1)
    if len(data) > MAX_BYTES:
        raise LitmusError(f"more than {MAX_BYTES >> 10} KiB", "a litmus test, which is a page of text")
    try:
        text = data.decode()
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        column = error.start - data.rfind(b"\n", 0, error.start)
        raise LitmusError(f"the byte {data[error.start]:#04x}", "a text file (UTF-8)", line, column) from None
    if "\0" in text:
        raise LitmusError("a byte 0", "a text file", text.count("\n", 0, text.index("\0")) + 1, 1)
    return text


def _blank(text: str) -> str:
    return "".join(c if c == "\n" else " " for c in text)


class _Cutter:
    """Goes through the text once."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.at = 0
        self.source = Source("", text, "", [], "", lines=[0, *(m.end() for m in re.finditer("\n", text))])

    def comment(self, c: bool) -> int:
        """The end of the comment that begins here, or 0. c: in C code, where (* is none."""
        text, at = self.text, self.at
        if text.startswith("//", at):
            end = text.find("\n", at)
            return len(text) if end < 0 else end
        if text.startswith("/*", at):
            end = text.find("*/", at + 2)
            if end < 0:
                raise self.source.error(at, "a comment without an end", "*/")
            return end + 2
        if c or not text.startswith("(*", at):
            return 0
        depth = 0
        for match in re.compile(r"\(\*|\*\)").finditer(text, at):
            depth += 1 if match[0] == "(*" else -1
            if not depth:
                return match.end()
        raise self.source.error(at, "a comment without an end", "*)")

    def skip(self) -> None:
        """White space and comments."""
        while self.at < len(self.text):
            if self.text[self.at].isspace():
                self.at += 1
            elif end := self.comment(False):
                self.at = end
            else:
                return

    def part(self, start: int, stop: str, c: bool) -> str:
        """From *start* on, without comments; until the brackets that were opened are closed with *stop* ("": until the end)."""
        self.at = start
        kept = [_blank(self.text[:start])]
        brackets: list[tuple[str, int]] = []
        while self.at < len(self.text):
            char = self.text[self.at]
            if char in "/(" and (end := self.comment(c)):
                kept.append(_blank(self.text[self.at:end]))
                self.at = end
                continue
            if char in "([{":
                brackets.append((char, self.at))
                if len(brackets) > MAX_DEPTH:
                    raise self.source.error(self.at, f"{len(brackets)} brackets inside one another", f"at most {MAX_DEPTH}")
            elif char in PAIRS:
                if not brackets or brackets[-1][0] != PAIRS[char]:
                    opened = f"the end of {brackets[-1][0]} first" if brackets else f"{PAIRS[char]} before it"
                    raise self.source.error(self.at, f"a {char} that closes nothing", opened)
                brackets.pop()
            kept.append(char)
            self.at += 1
            if char == stop and not brackets:
                return "".join(kept)
        if brackets:
            char, at = brackets[-1]
            raise self.source.error(at, f"a {char} without an end", {opening: end for end, opening in PAIRS.items()}[char])
        return "".join(kept)

    def header(self) -> None:
        self.skip()
        match = HEADER.match(self.text, self.at)
        if match is None:
            raise LitmusError("an empty file", "a litmus test, which begins with C and its name")
        if match[1] != "C":
            raise self.source.error(match.start(1), f"{shown(match[1])!r}", "C and the test's name: only tests in C are understood")
        if not match[2]:
            raise self.source.error(match.start(1), "no name", "C and the test's name")
        self.source.name = match[2]
        self.at = match.end()
        while True:  # what generators write about the test
            self.skip()
            skipped = SKIPPED.match(self.text, self.at)
            if skipped is None:
                break
            self.at = skipped.end()
        if not self.text.startswith("{", self.at):
            raise self.source.error(self.at, self.here(), "the initial state, { ... }")

    def here(self) -> str:
        word = re.compile(r"\w+|[^\w\s]+").match(self.text, self.at)
        return f"{shown(word[0])!r}" if word else "the end of the file"

    def cut(self) -> Source:
        source = self.source
        for match in re.finditer(r"\(\*.*?\*\)|/\*.*?\*/|//[^\n]*", self.text, re.DOTALL):
            if source.result is None and (said := RESULT.search(match[0])):
                source.result, source.races = said[1], bool(said[2])
        self.header()
        source.init = self.part(self.at, "}", False)
        while True:
            self.skip()
            function = FUNCTION.match(self.text, self.at)
            if function is None:
                break
            begin = self.at
            if int(function[1][:9]) != len(source.threads):
                raise source.error(begin, f"P{function[1][:9]}", f"P{len(source.threads)}: threads are numbered in order")
            self.part(function.end() - 1, ")", True)
            self.at_body()
            source.threads.append((begin, self.part(begin, "}", True)))
        if not source.threads:
            raise source.error(self.at, self.here(), "the first thread, P0(...) { ... }")
        source.condition = self.part(self.at, "", False)
        return source

    def at_body(self) -> None:
        at = self.at
        while at < len(self.text) and (self.text[at].isspace() or self.text.startswith(("//", "/*"), at)):
            self.at = at
            at = self.comment(True) or at + 1
        self.at = at
        if not self.text.startswith("{", at):
            raise self.source.error(at, self.here(), "the thread's body, { ... }")


def cut(text: str) -> Source:
    """The parts of a litmus file's text. LitmusError."""
    return _Cutter(text).cut()


__all__ = ["MAX_DEPTH", "Source", "cut", "read"]
