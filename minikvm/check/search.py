"""How an exploration is run: within a budget, interrupted, written down and continued, in several processes, or at random.

Works on anything that is Steered: programs and scenes.
"""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

from minikvm.check.checkpoint import Checkpoint, Part
from minikvm.check.estimate import Estimate

if TYPE_CHECKING:
    from types import FrameType

    from minikvm.check.steering import Steered

SLICE = 0.03
"""Seconds between two looks at the clock, at signals and at other processes."""
SAVE_EVERY = 30.0
TELL_EVERY = 0.5
GUESS = 0.03
"""The part of the time that is spent to know how far it is, when somebody wants to know."""
ALONE = 0.1
"""Seconds before other processes are begun: most programs need none."""
ALL = 1 << 62


@dataclass(frozen=True)
class Budget:
    """Limits of a search. None: none. Executions: complete and blocked ones; with several jobs a few more are explored."""

    executions: int | None = None
    seconds: float | None = None

    def left(self, executions: int, seconds: float) -> tuple[int, float]:
        """What is left of both."""
        return ALL if self.executions is None else self.executions - executions, 1e9 if self.seconds is None else self.seconds - seconds


@dataclass(frozen=True)
class Progress:
    """For a progress line. rate: executions a second, complete and blocked ones; jobs: processes at work.

    share: how much is done, 0..1, never falling, a rough guess (see minikvm.check.estimate): more often too much than too little.
    """

    executions: int
    blocked: int
    seconds: float
    rate: float
    share: float
    jobs: int


class State(Protocol):
    """What the caller itself collects while exploring (verdicts): as plain data, JSON's."""

    def found(self) -> Any:
        """Everything so far."""

    def merge(self, found: Any) -> None:
        """Add what another process, or an earlier run, has found."""

    def forget(self) -> None:
        """Begin anew."""


class NoState:
    """A caller that collects nothing."""

    def found(self) -> Any:
        """Nothing."""
        return None

    def merge(self, found: Any) -> None:
        """Nothing."""

    def forget(self) -> None:
        """Nothing."""


class Interrupted(KeyboardInterrupt):
    """SIGINT or SIGTERM came; everything is in order: what was found so far counts, and the checkpoint is written.

    *signal* is its number; *result* what explore() would have returned.
    """

    def __init__(self, number: int) -> None:
        super().__init__(signal.Signals(number).name)
        self.signal = number
        self.result: Any = None


class Interrupts:
    """Within it the first SIGINT or SIGTERM only sets *pending*; a second one strikes as it would without. Only in the main thread."""

    def __init__(self) -> None:
        self.pending = 0
        self._before: dict[int, Any] = {}

    def _note(self, number: int, frame: FrameType | None) -> None:
        self.pending = number
        self._restore()

    def _restore(self) -> None:
        for number, handler in self._before.items():
            with suppress(ValueError):
                signal.signal(number, handler)
        self._before = {}

    def __enter__(self) -> Interrupts:
        if threading.current_thread() is threading.main_thread():
            for number in (signal.SIGINT, signal.SIGTERM):
                before = signal.getsignal(number)
                if before is not None and before is not signal.SIG_IGN:
                    self._before[number] = before
                    signal.signal(number, self._note)
        return self

    def __exit__(self, *error: object) -> None:
        self._restore()

    def check(self) -> None:
        """Raise Interrupted when a signal has come."""
        if self.pending:
            raise Interrupted(self.pending)


class Search:
    """One search.

    fingerprint: of what is explored, for the checkpoint. checkpoint: the file to write, every *save_every* seconds, when interrupted and at
    the end; resume: the file to continue from (it may be the same). jobs: processes. progress: called with a Progress about twice a second.
    """

    def __init__(
        self, exploration: Steered, *, budget: Budget | None = None, fingerprint: str = "",
        checkpoint: str | os.PathLike[str] | None = None, resume: str | os.PathLike[str] | None = None, save_every: float = SAVE_EVERY,
        jobs: int = 1, state: State | None = None, progress: Callable[[Progress], object] | None = None,
    ) -> None:
        if jobs < 1:
            raise ValueError(f"jobs={jobs}: at least one process is needed")
        self.exploration = exploration
        self.budget = budget or Budget()
        self.fingerprint = fingerprint
        self.checkpoint = checkpoint
        self.save_every = save_every
        self.jobs = jobs
        self.state: State = state or NoState()
        self.progress = progress
        self.parts: list[Part] = []
        self.exhausted = False
        self.estimate = Estimate()  # for the progress only
        self.share = 0.0
        self.spent = 0.0  # in earlier runs
        self.began = self.saved = self.told = time.monotonic()
        if resume is not None:
            self._resume(Checkpoint.read(resume, fingerprint))

    def _resume(self, written: Checkpoint) -> None:
        self.exploration.merge(written.found)
        self.state.merge(written.state)
        self.spent = written.seconds
        self.parts = written.parts
        self.exploration.leave()

    @property
    def seconds(self) -> float:
        """Spent so far, earlier runs included."""
        return self.spent + time.monotonic() - self.began

    def run(self) -> bool:
        """Explore until exhausted (True) or until the budget is spent (False). Interrupted; whatever threads and callbacks raise."""
        with Interrupts() as interrupts:
            try:
                alone = self._alone(interrupts, ALONE if self.jobs > 1 else None)
                if not alone and self.jobs > 1 and self._budget_left():
                    from minikvm.check.jobs import run_jobs

                    run_jobs(self, interrupts)
                self.exhausted = not self.parts
            except Interrupted:
                self._take_back()
                self.save()
                raise
            self._take_back()
            self.save()
            self.tell(1, always=True)
        return self.exhausted

    def _budget_left(self) -> bool:
        exploration = self.exploration
        executions, seconds = self.budget.left(exploration.executions + exploration.blocked, time.monotonic() - self.began)
        return executions > 0 and seconds > 0

    def _take_back(self) -> None:
        """What the exploration was at is a part that is left."""
        part = self.exploration.leave()
        if part is not None:
            self.parts.append(part)

    def _alone(self, interrupts: Interrupts, until: float | None) -> bool:
        """In this process. False: *until* or the budget is over."""
        exploration = self.exploration
        while True:
            if not exploration.at_end:
                executions, seconds = self.budget.left(exploration.executions + exploration.blocked, time.monotonic() - self.began)
                if executions <= 0 or seconds <= 0 or (until is not None and time.monotonic() - self.began >= until):
                    self._take_back()
                    return False
                exploration.explore(executions, min(SLICE, seconds))
            elif self.parts:
                exploration.start_at(*self.parts.pop())
            else:
                return True
            interrupts.check()
            if self.checkpoint is not None and time.monotonic() - self.saved >= self.save_every:
                here = exploration.here()
                self.save([] if here is None else [here])
            self.tell(1)

    def save(self, more: list[Part] | tuple[Part, ...] = (), found: Any = None, state: Any = None) -> None:
        """Write the checkpoint, if there is to be one. more: parts that somebody is at. found, state: if not what this process has."""
        if self.checkpoint is not None:
            found = self.exploration.found() if found is None else found
            state = self.state.found() if state is None else state
            Checkpoint(self.fingerprint, [*self.parts, *more], found, state, self.seconds).write(self.checkpoint)
        self.saved = time.monotonic()

    def tell(self, jobs: int, executions: int = 0, blocked: int = 0, always: bool = False) -> None:
        """Call the progress callback when it is time. The numbers are those of other processes."""
        now = time.monotonic()
        if self.progress is None or (now - self.told < TELL_EVERY and not always):
            return
        exploration, seconds = self.exploration, self.seconds
        executions += exploration.executions
        blocked += exploration.blocked
        if not self.exhausted:
            self.estimate.improve(exploration, GUESS * TELL_EVERY)
        self.share = 1.0 if self.exhausted else max(self.share, self.estimate.share(executions + blocked))
        self.told = time.monotonic()
        self.progress(Progress(executions, blocked, seconds, (executions + blocked) / max(seconds, 1e-9), self.share, jobs))


__all__ = ["Budget", "Interrupted", "Interrupts", "NoState", "Progress", "Search", "State"]
