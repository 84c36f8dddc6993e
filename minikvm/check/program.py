"""Programs that have nothing to do with KVM, and what exploring one gives."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, TypeAlias

from minikvm.check.execution import Graph
from minikvm.check.fingerprint import code_of, fingerprint
from minikvm.check.parser import MAY_FAIL, ORDERS, ProgramError, Row, Value, is_register, parse_thread

if TYPE_CHECKING:
    from minikvm.check.search import Progress

Thread: TypeAlias = list[Row] | Callable[[Any], None]


class Program:
    """A concurrent program: threads over shared locations, each 0 at first or as *init* says.

    A thread is text (see minikvm.check.parser) or a Python function that is given the operations (see minikvm.check.threads)::

        p = Program("SB")
        p.thread("W x 1", "R y a")
        p.thread("W y 1", "R x b")
        p.observe("a", "b")
    """

    def __init__(self, name: str = "program", init: Mapping[str, Value] | None = None, order: str = "relaxed") -> None:
        if order not in ORDERS:
            raise ProgramError(f"{order!r} is no order; expected one of {', '.join(ORDERS)}")
        self.name = name
        self.init = dict(init or {})
        self.order = order
        self.threads: list[Thread] = []
        self.observed: list[str] | None = None

    @classmethod
    def parse(cls, text: str, name: str = "program", init: Mapping[str, Value] | None = None, order: str = "relaxed") -> Program:
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
        names += [value[1:] for value in self.init.values() if isinstance(value, str)]
        for rows in self.threads:
            if isinstance(rows, list):
                for row in rows:
                    names += [row.loc] if row.loc is not None else []
                    names += [value[1:] for value in (row.a, row.b) if isinstance(value, str) and not is_register(value)]
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

    def fingerprint(self, *options: object) -> str:
        """The same for the same program and options, and no other."""
        threads = [thread if isinstance(thread, list) else code_of(thread) for thread in self.threads]
        return fingerprint(threads, sorted(self.init.items()), self.order, self.observed, *options)


def _unnamed(thread: Thread) -> Any:
    """A thread whose registers are numbers: what they are called does not matter."""
    if not isinstance(thread, list):
        return thread
    numbers: dict[str, int] = {}

    def number(name: str | int | None) -> Any:
        return ("register", numbers.setdefault(name, len(numbers))) if isinstance(name, str) and is_register(name) else name

    return [
        replace(row, reg=number(row.reg), a=number(row.a), b=number(row.b), at=number(row.at), line=0,
                deps={kind: tuple(map(number, names)) for kind, names in row.deps.items()})
        for row in thread
    ]


def groups_of(program: Program, symmetry: bool | Sequence[Sequence[int]]) -> list[int]:
    """The group of each thread, -1 for one that is like no other. True: threads with the same statements, or the same function.

    Threads that are spawned or joined are in no group. ProgramError for a group that is declared and cannot be one.
    """
    threads = program.threads
    special = {row.a for rows in threads if isinstance(rows, list) for row in rows if row.op in ("SPAWN", "JOIN")}
    # An RMW that may fail has another outcome at the end of a chain of RMWs than in its middle, which the order on threads does not know
    # (symmetry.pyx): executions would be lost. So such threads are explored in full.
    may_fail = {t for t, rows in enumerate(threads) if isinstance(rows, list) and any(row.op in MAY_FAIL for row in rows)}
    group = list(range(len(threads)))
    if symmetry is True:
        alike = [_unnamed(thread) for thread in threads]
        for t in range(len(threads)):
            if t not in special and t not in may_fail:
                group[t] = next(u for u in range(t + 1) if u not in special and alike[u] == alike[t])
    else:
        for members in symmetry or ():
            for t in members:
                if t in special or not 0 <= t < len(threads):
                    raise ProgramError(f"thread {t} is spawned or joined, or is not there: it is in no group of identical threads")
                if t in may_fail:
                    which = ", ".join(MAY_FAIL)
                    raise ProgramError(f"thread {t} has an RMW that may fail ({which}): it is in no group of identical threads")
                if isinstance(threads[t], list) and _unnamed(threads[t]) != _unnamed(threads[members[0]]):
                    raise ProgramError(f"threads {members[0]} and {t} have other statements: they are not identical")
                if group[t] != t:
                    raise ProgramError(f"thread {t} is in two groups of identical threads")
                group[t] = min(members)
    return [number if group.count(number) > 1 else -1 for number in group]


@dataclass(frozen=True)
class Race:
    """Two conflicting accesses, one of them plain, that nothing orders; each named by thread, index and operation."""

    first: str
    second: str
    location: str


@dataclass
class Result:
    """What an exploration found. ``executions`` and ``blocked`` count different graphs; after random walks, how many walks ended in one.

    exhausted: these are all. estimate: of the number of complete executions, by random walks; estimate_error: its standard error.
    """

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
    estimate_error: float | None = None
    walks: int = 0

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
    symmetry: bool | Sequence[Sequence[int]] = False,
    jobs: int = 1,
    checkpoint: str | os.PathLike[str] | None = None,
    resume: str | os.PathLike[str] | None = None,
    save_every: float = 30.0,
    random: int | None = None,
    seed: int = 0,
    progress: Callable[[Progress], object] | None = None,
) -> Result:
    """Explore every execution of *program* under a memory model.

    Ends when all are explored (``exhausted``), or after *max_executions* or *seconds*. *on_execution* is called with the Graph of
    each complete or blocked execution, in this process, whatever *jobs* says.

    symmetry: of the executions that differ only by a permutation of threads with the same statements (or the same function), explore one.
    Guaranteed: of every orbit at least one is explored, so that what is violated is found; and not two, except where such threads have an
    RMW after another read, write or choose (see minikvm.check.symmetry). Counts and *outcomes* are those of what is explored. Groups of
    threads can be declared instead, as ((1, 2), (3, 4)), for functions that do the same: that they do is the caller's promise.

    jobs: processes; they are forked, since threads that are functions, and plugins, cannot be sent to a new interpreter: this process must
    have no other threads. The order of executions is another one then, and a few more than *max_executions* may be explored.
    checkpoint: a file, written every *save_every* seconds, when interrupted and at the end; resume: such a file, to go on from;
    executions that were explored before it are not shown to *on_execution* again.
    random: so many random walks instead, by *seed* (see minikvm.check.walks).

    ProgramError; ReplayError when a thread depends on more than what it reads; CheckpointError; Interrupted after SIGINT or SIGTERM, with
    the result so far; WorkerError when a process dies; whatever the threads' functions and *on_execution* raise.
    """
    from minikvm.check.exploration import Exploration
    from minikvm.check.search import Budget, Interrupted, Search
    from minikvm.check.walks import RandomSearch

    exploration = Exploration(program, model, on_execution=on_execution, outcomes=outcomes, races=races, symmetry=symmetry)
    budget = Budget(max_executions, seconds)
    search: Search | RandomSearch
    if random is not None:
        if checkpoint is not None or resume is not None or jobs != 1:
            raise ProgramError("random walks have no checkpoints and one job")
        search = RandomSearch(exploration, random, seed, budget=budget, progress=progress)
    else:
        fingerprint = program.fingerprint(exploration.model_name, symmetry, outcomes)
        search = Search(exploration, budget=budget, fingerprint=fingerprint, checkpoint=checkpoint, resume=resume, save_every=save_every,
                        jobs=jobs, progress=progress)

    def result() -> Result:
        found: Result = exploration.result()
        found.exhausted, found.seconds = search.exhausted, search.seconds
        if isinstance(search, RandomSearch):
            found.walks = search.estimate.walks
            found.estimate, found.estimate_error = search.estimate.complete.mean, search.estimate.complete.error
        return found

    try:
        search.run()
    except Interrupted as interrupted:
        interrupted.result = result()
        raise
    finally:
        exploration.close()
    return result()


__all__ = ["Program", "Race", "Result", "explore"]
