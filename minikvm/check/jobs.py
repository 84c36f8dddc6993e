"""One exploration in several processes, each at a part of the tree that is nobody else's.

A process that has nothing to do gets a piece of another's part: what comes after the answer in force of the lowest frame that has more.
The parts are disjoint and nothing is explored twice, whatever the timing. Processes are forked: threads that are Python functions, and
compiled plugins, cannot be sent to a new interpreter. Forking is safe only without other threads: a process that has some is refused.
"""

from __future__ import annotations

import os
import pickle
import signal
import sys
import threading
import time
import traceback
from contextlib import suppress
from multiprocessing.connection import Connection, Pipe, wait
from typing import TYPE_CHECKING, Any, NoReturn

if TYPE_CHECKING:
    from minikvm.check.checkpoint import Part
    from minikvm.check.search import Interrupts, Search
    from minikvm.check.steering import Steered

SLICE = 0.01
GRAPHS = 1 << 60
FEW = 1000
"""Graphs between two messages, when each is shown to the caller: they are kept until then."""
PATIENCE = 5.0
"""Seconds for a process to end when it is told to."""


class WorkerError(RuntimeError):
    """A process of an exploration died, or raised something that cannot be sent."""


# ---- a worker ----


class _Worker:
    """In the process of its own."""

    def __init__(self, search: Search, connection: Connection) -> None:
        self.exploration: Steered = search.exploration
        self.state = search.state
        self.connection = connection
        self.graphs: list[Any] = []
        self.exploration.forget()
        self.state.forget()
        self.shows = self.exploration.watched is not None
        if self.shows:
            self.exploration.watch(self.graphs.append)

    def tell(self) -> None:
        exploration = self.exploration
        self.connection.send(("at", exploration.executions, exploration.blocked, exploration.share(), self.graphs))
        self.graphs.clear()

    def run(self) -> None:
        """Until told to stop."""
        exploration = self.exploration
        while True:
            if not exploration.at_end:
                more = exploration.explore(FEW if self.shows else GRAPHS, SLICE)
                self.tell()
                if not more:
                    self.connection.send(("done",))
            while exploration.at_end or self.connection.poll():
                try:
                    order = self.connection.recv()
                except (EOFError, ConnectionError):
                    return  # the first process is gone
                if not self.obey(*order):
                    return

    def obey(self, order: str, part: Part | None = None) -> bool:
        if order == "explore" and part is not None:
            self.exploration.start_at(*part)
        elif order == "split":
            self.connection.send(("part", self.exploration.split()))
        else:
            self.connection.send(("state", self.exploration.here(), self.exploration.found(), self.state.found()))
        return order != "stop"


def _work(search: Search, connection: Connection) -> NoReturn:
    """The life of a forked process."""
    code = 1
    try:
        signal.signal(signal.SIGINT, signal.SIG_IGN)  # the first process is told, and tells the others
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        _Worker(search, connection).run()
        code = 0
    except BaseException as error:
        text = traceback.format_exc()
        try:
            pickle.loads(pickle.dumps(error))
        except Exception:
            error = WorkerError(f"{type(error).__name__}: {error}")
        with suppress(OSError):
            connection.send(("error", error, text))
    finally:
        with suppress(Exception):
            sys.stdout.flush()
            sys.stderr.flush()
        os._exit(code)


# ---- the first process ----


class _Hand:
    """A worker as the first process sees it."""

    def __init__(self, number: int, pid: int, connection: Connection) -> None:
        self.number = number
        self.pid = pid
        self.connection = connection
        self.busy = False
        self.asked = False  # for a part
        self.gone = False
        self.stopped = False  # as it was told to
        self.counts = (0, 0, 0.0)
        self.state: tuple[Part | None, dict[str, Any], Any] | None = None  # as asked for

    def died(self) -> WorkerError:
        """What became of it."""
        self.gone = True
        status = os.waitpid(self.pid, 0)[1]
        code = os.waitstatus_to_exitcode(status)
        how = f"was killed by {signal.Signals(-code).name}" if code < 0 else f"ended with exit code {code}"
        return WorkerError(f"process {self.number} of the exploration (pid {self.pid}) {how}")

    def send(self, *order: Any) -> None:
        try:
            self.connection.send(order)
        except OSError as error:
            raise self.died() from error


class _Crew:
    """All workers."""

    def __init__(self, search: Search) -> None:
        self.search = search
        self.hands: list[_Hand] = []
        self.stopping = False
        sys.stdout.flush()
        sys.stderr.flush()
        for number in range(search.jobs):
            ours, theirs = Pipe()
            pid = os.fork()
            if pid == 0:
                for hand in self.hands:
                    hand.connection.close()  # else nobody would see that the first process is gone
                ours.close()
                _work(search, theirs)
            theirs.close()
            self.hands.append(_Hand(number, pid, ours))

    def counts(self) -> tuple[int, int]:
        return sum(hand.counts[0] for hand in self.hands), sum(hand.counts[1] for hand in self.hands)

    def receive(self, seconds: float) -> None:
        """Messages of all workers, for so long at most."""
        by_connection = {hand.connection: hand for hand in self.hands if not hand.stopped}
        for connection in wait(list(by_connection), seconds):
            hand = by_connection[connection]  # type: ignore[index]
            try:
                self.message(hand, *hand.connection.recv())
            except (EOFError, ConnectionError) as error:
                raise hand.died() from error

    def message(self, hand: _Hand, kind: str, *what: Any) -> None:
        if kind == "at":
            hand.counts = what[:3]
            show = self.search.exploration.watched
            for graph in what[3]:
                show(graph)
        elif kind == "done":
            hand.busy = False
        elif kind == "part":
            hand.asked = False
            if what[0] is not None:
                self.search.parts.append(what[0])
        elif kind == "state":
            hand.state = what
            hand.stopped = self.stopping
        else:
            error, text = what
            raise error from WorkerError(f"in process {hand.number} of the exploration (pid {hand.pid}):\n{text}")

    def distribute(self) -> None:
        """Give waiting parts to those who have none; ask others for parts when there are not enough."""
        idle = [hand for hand in self.hands if not hand.busy]
        while idle and self.search.parts:
            hand = idle.pop()
            hand.busy = True
            hand.send("explore", self.search.parts.pop(0))
        wanted = len(idle) - sum(hand.asked for hand in self.hands)
        for hand in sorted(self.hands, key=lambda h: h.counts[2]):
            if wanted > 0 and hand.busy and not hand.asked:
                hand.asked = True
                hand.send("split")
                wanted -= 1

    def states(self, order: str) -> list[tuple[Part | None, dict[str, Any], Any]]:
        """Where everybody is and what they found, all at one place of the split: no part is handed out in between."""
        self.stopping = order == "stop"
        for hand in self.hands:
            hand.state = None
            hand.send(order)
        while any(hand.state is None for hand in self.hands):
            self.receive(1.0)
        return [hand.state for hand in self.hands if hand.state is not None]

    def end(self, kill: bool) -> None:
        """No process is left behind."""
        for hand in self.hands:
            hand.connection.close()
            if hand.gone:
                continue
            until = time.monotonic() + (0 if kill else PATIENCE)
            while not kill and time.monotonic() < until and not hand.gone:
                hand.gone = os.waitpid(hand.pid, os.WNOHANG)[0] != 0
                if not hand.gone:
                    time.sleep(0.001)
            if not hand.gone:
                os.kill(hand.pid, signal.SIGKILL)
                os.waitpid(hand.pid, 0)
                hand.gone = True


def _merged(search: Search, states: list[tuple[Part | None, dict[str, Any], Any]]) -> list[Part]:
    """Add what all have found to what this process has; the parts that they are at."""
    for _, found, state in states:
        search.exploration.merge(found)
        search.state.merge(state)
    return [part for part, _, _ in states if part is not None]


def run_jobs(search: Search, interrupts: Interrupts) -> None:
    """Explore search.parts in search.jobs processes; what is left at the end is there again. WorkerError, Interrupted, what they raise."""
    if threading.active_count() > 1:
        names = ", ".join(thread.name for thread in threading.enumerate() if thread is not threading.main_thread())
        raise WorkerError(f"jobs={search.jobs}: this process has other threads ({names}); it cannot be forked safely")
    crew = _Crew(search)
    exploration = search.exploration
    before = exploration.executions + exploration.blocked
    orderly = False
    try:
        while True:
            crew.distribute()
            crew.receive(0.05)
            executions, blocked = crew.counts()
            left, seconds = search.budget.left(before + executions + blocked, time.monotonic() - search.began)
            over = left <= 0 or seconds <= 0 or interrupts.pending
            if over or not (search.parts or any(hand.busy for hand in crew.hands)):
                break
            if search.checkpoint is not None and time.monotonic() - search.saved >= search.save_every:
                _save(search, crew)
            search.tell(len(crew.hands), executions, blocked)
        search.parts += _merged(search, crew.states("stop"))
        orderly = True
    finally:
        crew.end(kill=not orderly)
    interrupts.check()


def _save(search: Search, crew: _Crew) -> None:
    """A checkpoint of all processes: this one's counters are put back afterwards."""
    states = crew.states("save")
    mine, state = search.exploration.found(), search.state.found()
    at = _merged(search, states)
    search.save(at)
    search.exploration.forget()
    search.exploration.merge(mine)
    search.state.forget()
    search.state.merge(state)


__all__ = ["WorkerError", "run_jobs"]
