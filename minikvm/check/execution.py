"""One execution, as plain data: the events of each thread, what each read reads from, the coherence order of each location."""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from dataclasses import dataclass
from typing import NamedTuple, TypeAlias

Place: TypeAlias = tuple[int, int] | str
"""(thread, index), or "init"."""


class Event(NamedTuple):
    """One event. ``kind``: R, W, RMW (it took place), F, CHOOSE, SPAWN or JOIN; a failed RMW is an R with ``rmw``."""

    kind: str
    loc: str | None
    order: str
    op: int
    rval: int | None
    wval: int | None
    rf: Place | None
    rmw: bool
    awaits: bool
    blocked: bool
    operand: int
    expected: int
    addr: int
    data: int
    ctrl: int
    name: str
    file: str
    line: int


class Note(NamedTuple):
    """Ghost state: what happened after ``pos`` events of the thread."""

    pos: int
    kind: int
    subject: int
    a: int
    b: int


@dataclass(frozen=True)
class Graph:
    """An execution graph: ``threads[t][i]`` is an event; ``co`` has each location's writes in coherence order, without the initial one.

    ``joining``: threads that wait for the end of a thread that does not end.
    """

    threads: tuple[tuple[Event, ...], ...]
    co: Mapping[str, tuple[Place, ...]]
    init: Mapping[str, int]
    notes: tuple[tuple[Note, ...], ...] = ()
    joining: tuple[int, ...] = ()

    def event(self, place: tuple[int, int]) -> Event:
        """The event at (thread, index)."""
        return self.threads[place[0]][place[1]]

    @property
    def blocked(self) -> bool:
        """Does somebody wait for ever?"""
        return bool(self.joining) or any(events and events[-1].blocked for events in self.threads)

    def canonical(self) -> Hashable:
        """Equal iff two executions of a program are the same: events, reads-from and coherence order."""
        return (
            tuple(tuple((e.kind, e.loc, e.rval, e.wval, e.rf) for e in events) for events in self.threads),
            tuple(sorted(self.co.items())),
        )
