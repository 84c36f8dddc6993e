"""The progress bars: on stderr, and only when stderr is a terminal. The one of a run is here."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable
from types import TracebackType
from typing import TextIO, TypedDict

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TextColumn

from minikvm.report.humanize import number, printable, seconds

REFRESH_S = 0.1


class ProgressUpdate(TypedDict):
    """Where a run stands. Calls are counts, ``rate`` is calls per second; a total that is not known in advance is None."""

    calls_done: int
    calls_total: int | None
    elapsed_s: float
    duration_s: float | None
    rate: float
    phase: str


class Bar:
    """A bar with a text on either side, on a terminal; nothing at all elsewhere, or on one that cannot move its cursor.

    It starts no thread: it moves when ``draw`` is called, at most ten times a second, and is taken away at the end so that what
    follows starts on a clean line.
    """

    def __init__(self, stream: TextIO | None, clock: Callable[[], float]) -> None:
        target = sys.stderr if stream is None else stream
        self._clock = clock
        self._shown_at: float | None = None
        self._task: TaskID | None = None
        self._progress: Progress | None = None
        if _is_terminal(target):
            console = Console(file=target, force_terminal=True, highlight=False)
            self._progress = Progress(
                TextColumn("{task.description}", markup=False),
                BarColumn(),
                TextColumn("{task.fields[done]}", markup=False),
                console=console, auto_refresh=False, transient=True, redirect_stdout=False, redirect_stderr=False,
            )

    def open(self) -> None:
        """Show the empty bar."""
        if self._progress is not None:
            self._progress.start()
            self._task = self._progress.add_task("", total=None, done="")

    def due(self) -> bool:
        """Is there something to draw on, and was nothing drawn in the last tenth of a second?"""
        if self._progress is None or self._task is None:
            return False
        now = self._clock()
        if self._shown_at is not None and now - self._shown_at < REFRESH_S:
            return False
        self._shown_at = now
        return True

    def draw(self, before: str, after: str, total: float | None, completed: float) -> None:
        """Move the bar to *completed* of *total* (None: it has no end), the texts *before* and *after* it. Call it when ``due``."""
        if self._progress is not None and self._task is not None:
            shown = printable(before, self._progress.console)
            self._progress.update(self._task, description=shown, total=total, completed=completed, done=after, refresh=True)

    def close(self) -> None:
        """Take the bar away and give the cursor back; harmless when it is already gone."""
        if self._progress is not None:
            self._progress.stop()
            self._progress = None


class RunProgress:
    """A context manager around a run: ``with RunProgress() as progress: ... progress.update(...)``.

    Writes nothing at all when *stream* (stderr when None) is no terminal.

    Thread-safety: call it from one thread.
    """

    def __init__(self, stream: TextIO | None = None, clock: Callable[[], float] = time.monotonic) -> None:
        self._bar = Bar(stream, clock)

    def __enter__(self) -> RunProgress:
        self._bar.open()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()

    def update(self, state: ProgressUpdate) -> None:
        """Show *state*; returns at once when there is nothing to show or the bar moved less than a tenth of a second ago."""
        if self._bar.due():
            total, completed = _fraction(state)
            self._bar.draw(state["phase"], describe(state), total, completed)

    def close(self) -> None:
        """Take the bar away and give the cursor back; harmless when it is already gone."""
        self._bar.close()


def describe(state: ProgressUpdate) -> str:
    """What stands beside the bar: ``1,234 of 20,000 calls, 617/s, 2.00 s of 10.0 s``."""
    calls = number(state["calls_done"])
    if state["calls_total"] is not None:
        calls += f" of {number(state['calls_total'])}"
    elapsed = seconds(state["elapsed_s"])
    if state["duration_s"] is not None:
        elapsed += f" of {seconds(state['duration_s'])}"
    return f"{calls} calls, {number(round(state['rate']))}/s, {elapsed}"


def _fraction(state: ProgressUpdate) -> tuple[float | None, float]:
    # A run ends at whichever of its two bounds comes first: show the one that is nearer.
    bounds = [
        (float(total), float(done))
        for total, done in ((state["calls_total"], state["calls_done"]), (state["duration_s"], state["elapsed_s"]))
        if total
    ]
    if not bounds:
        return None, 0.0
    total, done = max(bounds, key=lambda bound: bound[1] / bound[0])
    return total, min(done, total)


def _is_terminal(stream: TextIO) -> bool:
    try:
        return stream.isatty() and os.environ.get("TERM", "") not in ("dumb", "unknown")
    except (AttributeError, ValueError):  # stderr is None under pythonw-like launchers; ValueError: it is closed
        return False
