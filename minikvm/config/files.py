"""From a name to a text: the search for a configuration, and reading it with every way that can fail."""

from __future__ import annotations

import codecs
import os
import select
import stat
from pathlib import Path

from minikvm.config.problems import ConfigError, Problem, did_you_mean, one_of
from minikvm.config.yamldoc import MAX_BYTES

SHIPPED = Path(__file__).parent / "shipped"
"""The configurations that come with the package."""

PIPE_SECONDS = 10.0
"""How long a pipe may stay silent."""

_SUFFIXES = ("", ".yaml", ".yml")


def shipped() -> list[str]:
    """The names of the shipped configurations, without ".yaml"; those with a strategy or loop in C begin with "c/"."""
    return [*_names(SHIPPED, "*.yaml"), *_names(SHIPPED, "c/*.yaml")]


def _names(folder: Path, pattern: str) -> list[str]:
    return sorted(entry.relative_to(folder).with_suffix("").as_posix() for entry in folder.glob(pattern))


def find(name: str | os.PathLike[str]) -> Path:
    """The file of that name: the path itself, else (for a bare name or c/NAME, ".yaml" may be left out) in ./configs, else a shipped one.

    Raises ConfigError that lists what there is.
    """
    text = os.fspath(name)
    if not text or "\0" in text:
        raise ConfigError([_whole(text.replace("\0", "\\0") or '""', "not a file name", _EXPECTED)])
    path = Path(text)
    if os.path.lexists(path):
        return path
    if text in (path.name, f"c/{path.name}"):
        for folder in (Path("configs"), SHIPPED):
            for suffix in _SUFFIXES:
                if (folder / (text + suffix)).is_file():
                    return folder / (text + suffix)
    names = list(dict.fromkeys([*_names(Path("configs"), "*.y*ml"), *shipped()]))
    there = f"{_EXPECTED}: {one_of(names)}" if names else "a YAML file"
    meant = f"c/{path.stem}" if path.parts[:-1] == ("c",) else path.stem
    raise ConfigError([_whole(text, "no such file", there, did_you_mean(meant, names))])


_EXPECTED = "a YAML file or the name of a shipped configuration"


def read(path: Path) -> str:
    """The file's text. Raises ConfigError: no regular file or pipe, unreadable, above MAX_BYTES, not UTF-8."""
    name = str(path)
    try:
        raw = _read_bytes(path)
    except IsADirectoryError:
        raise ConfigError([_whole(name, "a directory", "a YAML file")]) from None
    except PermissionError:
        raise ConfigError([_whole(name, "no permission to read it", "a readable YAML file")]) from None
    except OSError as error:
        raise ConfigError([_whole(name, f"it cannot be read: {error.strerror or error}", "a readable YAML file")]) from None
    return decode(raw, name)


def decode(raw: bytes, name: str) -> str:
    """UTF-8 bytes, with or without a byte order mark, as text. Raises ConfigError."""
    if len(raw) > MAX_BYTES:
        raise ConfigError([_whole(name, "more than 1 MiB", "a file of at most 1 MiB")])
    if raw.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        raise ConfigError([Problem(name, 1, 1, (), "UTF-16", "UTF-8 text", "save the file as UTF-8")])
    try:
        return raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        # With a byte order mark, the decoder counts from behind it.
        body = raw.removeprefix(codecs.BOM_UTF8)
        start = body.rfind(b"\n", 0, error.start) + 1
        line = body.count(b"\n", 0, error.start) + 1
        column = len(body[start : error.start].decode("utf-8", "replace")) + 1
        offset = error.start + len(raw) - len(body)
        value = f"the byte 0x{body[error.start]:02x} at offset {offset}"
        hint = "is this a binary file?" if b"\0" in body else ""
        raise ConfigError([Problem(name, line, column, (), value, "UTF-8 text", hint)]) from None


def _read_bytes(path: Path) -> bytes:
    # Not blocking: opening a pipe that nobody writes to would never return.
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    with open(descriptor, "rb", buffering=0) as file:
        mode = os.fstat(descriptor).st_mode
        if stat.S_ISDIR(mode):
            raise IsADirectoryError
        if not (stat.S_ISREG(mode) or stat.S_ISFIFO(mode)):
            raise OSError("it is a device or a socket")
        content = b""
        while len(content) <= MAX_BYTES:
            if stat.S_ISFIFO(mode) and not select.select([descriptor], [], [], PIPE_SECONDS)[0]:
                raise OSError(f"the pipe was silent for {PIPE_SECONDS:g} s")
            piece = file.read(MAX_BYTES + 1 - len(content))
            if piece:
                content += piece
            elif piece is not None:
                break
        return content


def _whole(name: str, fault: str, expected: str, hint: str = "") -> Problem:
    return Problem(name, 0, 0, (), "", expected, hint, fault)
