"""The progress line of a check: on stderr, and only when stderr is a terminal."""

from __future__ import annotations

import time
from collections.abc import Callable
from types import TracebackType
from typing import TextIO, TypedDict

from minikvm.report.humanize import number, plural, seconds
from minikvm.report.progress import Bar


class CheckUpdate(TypedDict):
    """Where an exploration stands.

    ``cell`` names what is explored (``upstream, tso``), ``cells_done`` of ``cells_total`` are finished. ``executions`` are those
    of this cell, complete and blocked; ``rate`` is executions per second. ``share`` is the estimated part of this cell that is
    done, 0 to 1, None while there is no estimate.
    """

    cell: str
    cells_done: int
    cells_total: int
    executions: int
    rate: float
    elapsed_s: float
    share: float | None


class CheckProgress:
    """A context manager around a check: ``with CheckProgress() as progress: ... progress.update(...)``.

    Silent when *stream* (stderr when None) is no terminal; draws at most ten times a second, and leaves no trace at the end.

    Thread-safety: call it from one thread.
    """

    def __init__(self, stream: TextIO | None = None, clock: Callable[[], float] = time.monotonic) -> None:
        self._bar = Bar(stream, clock)

    def __enter__(self) -> CheckProgress:
        self._bar.open()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()

    def update(self, state: CheckUpdate) -> None:
        """Show *state*; returns at once when there is nothing to show or the bar moved less than a tenth of a second ago."""
        if self._bar.due():
            share = state["share"]
            done = 0.0 if share is None else min(max(share, 0.0), 1.0)
            self._bar.draw(name(state), describe(state), None if share is None else 1.0, done)

    def close(self) -> None:
        """Take the bar away and give the cursor back; harmless when it is already gone."""
        self._bar.close()


def name(state: CheckUpdate) -> str:
    """What stands before the bar: ``upstream, tso (2 of 6)``."""
    if state["cells_total"] <= 1:
        return state["cell"]
    return f"{state['cell']} ({min(state['cells_done'] + 1, state['cells_total'])} of {state['cells_total']})"


def describe(state: CheckUpdate) -> str:
    """What stands beside the bar: ``12,345 executions, 61,725/s, 2.00 s, about 40 % done``."""
    text = f"{plural(state['executions'], 'execution')}, {number(round(state['rate']))}/s, {seconds(state['elapsed_s'])}"
    return text if state["share"] is None else f"{text}, {percent(state['share'])} done"


def percent(share: float) -> str:
    """An estimate, without more digits than it has: ``about 40 %``; never 0 or 100."""
    value = share * 100
    if value < 1:
        return "less than 1 %"
    return f"about {min(round(value), 99)} %"
