"""The one place where an exception becomes an exit code and a message.

0 fine; 1 a property was violated; 2 usage or configuration; 3 a plugin failed; 130 interrupted; 141 the reader of our output went
away (as the shell reports it for any program); 70 a defect of minikvm itself, the only case with a traceback of our own code.
"""

from __future__ import annotations

import errno
import os
import sys
import traceback
from pathlib import Path
from types import TracebackType
from typing import Any

import click

OK = 0
USAGE = 2
PLUGIN_FAILED = 3
DEFECT = 70
INTERRUPTED = 130
OUTPUT_CLOSED = 141
UNWRITABLE = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EROFS)


class OutputClosed(Exception):
    """Nobody reads our output any more. Not an OSError: click would take that for its own and exit with 1, which means a violation."""


class Commands(click.Group):
    """A group whose ``main`` ends the process with the exit codes above, whatever is raised below it."""

    def make_context(self, *args: Any, **extra: Any) -> click.Context:
        """As click's; it prints already, for --help."""
        try:
            return super().make_context(*args, **extra)
        except BrokenPipeError as error:
            raise OutputClosed from error

    def invoke(self, ctx: click.Context) -> Any:
        """As click's."""
        try:
            return super().invoke(ctx)
        except BrokenPipeError as error:
            raise OutputClosed from error

    def main(self, args: Any = None, prog_name: str | None = None, *rest: Any, standalone_mode: bool = True, **extra: Any) -> Any:
        """As click's; with standalone_mode=False exceptions pass through."""
        run: Any = super().main
        if not standalone_mode:
            return run(args, prog_name, *rest, standalone_mode=False, **extra)
        try:
            result = run(args, prog_name, *rest, standalone_mode=False, **extra)
            sys.stdout.flush()
            code = result if isinstance(result, int) else OK
        except BaseException as error:
            code = report(error)
        sys.exit(code)


def report(error: BaseException) -> int:
    """Print what *error* means to a person, on stderr, and return the exit code."""
    if isinstance(error, (OutputClosed, BrokenPipeError)):
        # Nobody reads: be quiet, also in the interpreter's last flush.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return OUTPUT_CLOSED
    if isinstance(error, SystemExit):
        return error.code if isinstance(error.code, int) else DEFECT
    if isinstance(error, click.Abort) or interrupted(error):
        say("interrupted")
        return INTERRUPTED
    if isinstance(error, click.ClickException):
        error.show()
        return error.exit_code
    return report_own(error)


def interrupted(error: BaseException | None) -> bool:
    """Did an interrupt end it, if only through a library that made an error of its own of a second Ctrl-C?"""
    seen: set[int] = set()
    while error is not None and id(error) not in seen:
        if isinstance(error, KeyboardInterrupt):
            return True
        seen.add(id(error))
        error = error.__cause__ or error.__context__
    return False


def report_own(error: BaseException) -> int:
    """The part that knows minikvm's exceptions; imported only now, because ``minikvm --help`` needs none of them."""
    from minikvm.config.problems import ConfigError
    from minikvm.pluginload import BadSource, NotFound, PluginError

    if isinstance(error, ConfigError):
        click.echo(str(error), err=True)
        return USAGE
    if isinstance(error, (BadSource, NotFound)):
        say(f"error: {error}")
        return USAGE
    if isinstance(error, PluginError):
        if error.needs_traceback and error.__cause__ is not None:
            click.echo(plugin_traceback(error.__cause__), err=True)
        say(f"error: {error}")
        return PLUGIN_FAILED
    exit_code = getattr(error, "exit_code", None)  # of a room that is not imported for the sake of an error that it may not have raised
    if isinstance(exit_code, int):
        say(f"error: {error}")
        return exit_code
    if isinstance(error, MemoryError):
        say("error: there is not enough memory for this")
        return USAGE
    if isinstance(error, OSError) and error.errno in UNWRITABLE:
        say(f"error: {error.filename or 'the output'} cannot be written: {error.strerror}")
        return USAGE
    if isinstance(error, OSError) and error.filename is not None:
        say(f"error: {error.filename}: {error.strerror}")
        return USAGE
    click.echo("".join(traceback.format_exception(error)), err=True)
    say("error: this is a defect of minikvm, not of your configuration or plugin; please report it with the lines above")
    return DEFECT


def say(message: str) -> None:
    """One line on stderr, with the program's name before it."""
    click.echo(f"minikvm: {message}", err=True)


def plugin_traceback(cause: BaseException) -> str:
    """The traceback of a plugin's exception, without the frames that lead from minikvm, pluggy and the import machinery to it."""
    skipped = tuple(str(Path(folder)) for folder in (Path(__file__).parents[1], *pluggy_folders()))
    trace: TracebackType | None = cause.__traceback__
    while trace is not None and trace.tb_next is not None and is_ours(trace.tb_frame.f_code.co_filename, skipped):
        trace = trace.tb_next
    return "".join(traceback.format_exception(type(cause), cause, trace)).rstrip()


def is_ours(filename: str, folders: tuple[str, ...]) -> bool:
    """Is *filename* the machinery's: minikvm, pluggy, importlib?"""
    return filename.startswith(("<frozen importlib", *folders)) or "/importlib/" in filename


def pluggy_folders() -> list[Path]:
    """The folder of pluggy, if it is loaded."""
    module = sys.modules.get("pluggy")
    return [Path(module.__file__).parent] if module is not None and module.__file__ else []
