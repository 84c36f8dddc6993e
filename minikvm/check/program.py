"""Programs that have nothing to do with KVM, and what exploring one gives."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeAlias

from minikvm.check.execution import Graph
from minikvm.check.parser import ORDERS, ProgramError, Row, parse_thread

Thread: TypeAlias = list[Row] | Callable[[Any], None]


class Program:
    """A concurrent program: threads over shared locations, each 0 at first or as *init* says.

    A thread is text (see minikvm.check.parser) or a Python function that is given the operations (see minikvm.check.threads)::

        p = Program("SB")
        p.thread("W x 1", "R y a")
        p.thread("W y 1", "R x b")
        p.observe("a", "b")
    """

    def __init__(self, name: str = "program", init: Mapping[str, int] | None = None, order: str = "relaxed") -> None:
        if order not in ORDERS:
            raise ProgramError(f"{order!r} is no order; expected one of {', '.join(ORDERS)}")
        self.name = name
        self.init = dict(init or {})
        self.order = order
        self.threads: list[Thread] = []
        self.observed: list[str] | None = None

    @classmethod
    def parse(cls, text: str, name: str = "program", init: Mapping[str, int] | None = None, order: str = "relaxed") -> Program:
        """A program of text threads, ``||`` between them. ProgramError."""
        program = cls(name, init, order)
        for thread in text.split("||"):
            program.thread(thread)
        return program

    def thread(self, *body: str | Callable[[Any], None]) -> int:
        """Add a thread: statements, or one function. Returns its number."""
        first = body[0] if body else ""
        if callable(first):
            if len(body) != 1:
                raise ProgramError("a thread is one function, or statements")
            self.threads.append(first)
        else:
            self.threads.append(parse_thread("\n".join(map(str, body)), self.order))
        return len(self.threads) - 1

    def observe(self, *names: str) -> Program:
        """What outcomes are about: registers (``a``, or ``1:a`` where two threads have one), locations (their final value)."""
        self.observed = list(names)
        return self

    def locations(self) -> list[str]:
        """In order of appearance, the initialised ones first."""
        names = list(self.init)
        for rows in self.threads:
            if isinstance(rows, list):
                names += [row.loc for row in rows if row.loc is not None]
        return list(dict.fromkeys(names))

    def has_plain(self) -> bool:
        """May there be a plain access? A function's are not known before it runs."""
        return any(callable(rows) or any(row.order == "plain" for row in rows) for rows in self.threads)

    def registers(self) -> list[tuple[int, str]]:
        """(thread, name) of each register that is assigned, in order of appearance."""
        found = [(t, row.reg) for t, rows in enumerate(self.threads) if isinstance(rows, list) for row in rows if row.reg is not None]
        return list(dict.fromkeys(found))

    def observables(self) -> list[tuple[str, int, str]]:
        """(shown name, thread or -1 for a location, name) of what is observed. ProgramError for an unknown or ambiguous name."""
        registers, locations = self.registers(), self.locations()
        count = Counter(name for _, name in registers)
        if self.observed is None:
            named = [(name if count[name] == 1 and name not in locations else f"{t}:{name}", t, name) for t, name in registers]
            return [*named, *((name, -1, name) for name in locations)]
        found = []
        for shown in self.observed:
            thread, colon, name = shown.rpartition(":")
            matches = [(t, r) for t, r in registers if r == name and (not colon or thread == str(t))]
            if not colon and shown in locations and not matches:
                found.append((shown, -1, shown))
            elif len(matches) == 1:
                found.append((shown, *matches[0]))
            else:
                what = "is in several threads: write thread:register" if matches else "is neither a register nor a location"
                raise ProgramError(f"observed {shown!r} {what}")
        return found


@dataclass(frozen=True)
class Race:
    """Two conflicting accesses, one of them plain, that nothing orders; each named by thread, index and operation."""

    first: str
    second: str
    location: str


@dataclass
class Result:
    """What an exploration found. ``executions`` and ``blocked`` count different graphs."""

    program: str
    model: str
    executions: int = 0
    blocked: int = 0
    discarded: int = 0
    exhausted: bool = False
    seconds: float = 0.0
    names: tuple[str, ...] = ()
    outcomes: Counter[tuple[int, ...]] = field(default_factory=Counter)
    races: list[Race] = field(default_factory=list)
    errors: dict[str, int] = field(default_factory=dict)
    estimate: float | None = None

    def allows(self, **values: int) -> bool:
        """Is there an execution in which each of these observables has this value?"""
        places = {self.names.index(name): value for name, value in values.items()}
        return any(all(outcome[i] == value for i, value in places.items()) for outcome in self.outcomes)


def explore(
    program: Program,
    model: str = "sc",
    *,
    max_executions: int | None = None,
    seconds: float | None = None,
    on_execution: Callable[[Graph], object] | None = None,
    outcomes: bool = True,
    races: bool = True,
    symmetry: bool = False,
) -> Result:
    """Explore every execution of *program* under a memory model.

    Ends when all are explored (``exhausted``), or after *max_executions* or *seconds*. *on_execution* is called with the Graph of
    each complete or blocked execution. ProgramError; ReplayError when a thread depends on more than what it reads.
    """
    from minikvm.check.exploration import Exploration

    exploration = Exploration(program, model, on_execution=on_execution, outcomes=outcomes, races=races, symmetry=symmetry)
    return exploration.run(max_executions=max_executions, seconds=seconds)


__all__ = ["Program", "Race", "Result", "explore"]
