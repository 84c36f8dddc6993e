"""Programs by name: the classic litmus shapes, the counts that explorers are compared by, and the kick path in miniature.

Locations are 0 at first. Sources: Alglave, Maranget and Tautschnig, "Herding Cats" (TOPLAS 2014) for the shapes' names;
Kokologiannakis et al. (POPL 2022) for readers, lastzero, ainc and fib_bench. An *order* is one of the statements' orders, for all loads and
stores, or "ra".
"""
from __future__ import annotations

from dataclasses import dataclass
from itertools import count

from minikvm.check.program import Program

RELEASE_ACQUIRE = {"W": "release", "R": "acquire"}
"""The order "ra" of what programs are built from here: stores release, loads acquire, the rest is relaxed."""


def _ordered(row: str, order: str) -> str:
    """A load or store of no order, with this one."""
    kind = row.split(maxsplit=1)[0]
    return row if kind not in RELEASE_ACQUIRE else f"{row} {RELEASE_ACQUIRE[kind] if order == 'ra' else order}"



@dataclass(frozen=True)
class Litmus:
    """A shape: its rows, and the outcome that tells strong orders from weak ones. weak: final values by register or location."""

    name: str
    rows: str
    weak: dict[str, int]

    def text(self, order: str = "relaxed", fence: str | None = None) -> str:
        """The rows with one order for all ("ra": stores release, loads acquire), and a fence of that kind between a thread's rows."""
        between = f"; F {fence}; " if fence else "; "
        return " || ".join(between.join(_ordered(row.strip(), order) for row in thread.split(";")) for thread in self.rows.split("||"))

    def program(self, order: str = "relaxed", fence: str | None = None) -> Program:
        """The same as a program, whose outcomes are the values that *weak* names, in that order."""
        program = Program.parse(self.text(order, fence), name=self.name)
        program.observe(*self.weak)
        return program

    @property
    def outcome(self) -> tuple[int, ...]:
        """The weak outcome as results count it."""
        return tuple(self.weak.values())


LITMUS = {shape.name: shape for shape in (
    Litmus("MP", "W x 1; W y 1 || R y a; R x b", {"a": 1, "b": 0}),
    Litmus("SB", "W x 1; R y a || W y 1; R x b", {"a": 0, "b": 0}),
    Litmus("LB", "R x a; W y 1 || R y b; W x 1", {"a": 1, "b": 1}),
    Litmus("S", "W x 2; W y 1 || R y a; W x 1", {"a": 1, "x": 2}),
    Litmus("R", "W x 1; W y 1 || W y 2; R x a", {"y": 2, "a": 0}),
    Litmus("2+2W", "W x 1; W y 2 || W y 1; W x 2", {"x": 1, "y": 1}),
    Litmus("WRC", "W x 1 || R x a; W y 1 || R y b; R x c", {"a": 1, "b": 1, "c": 0}),
    Litmus("RWC", "W x 1 || R x a; R y b || W y 1; R x c", {"a": 1, "b": 0, "c": 0}),
    Litmus("W+RWC", "W x 1; W y 1 || R y a; R z b || W z 1; R x c", {"a": 1, "b": 0, "c": 0}),
    Litmus("ISA2", "W x 1; W y 1 || R y a; W z 1 || R z b; R x c", {"a": 1, "b": 1, "c": 0}),
    Litmus("Z6.0", "W x 1; W y 1 || W y 2; W z 1 || R z a; R x b", {"y": 2, "a": 1, "b": 0}),
    Litmus("3.SB", "W x 1; R y a || W y 1; R z b || W z 1; R x c", {"a": 0, "b": 0, "c": 0}),
    Litmus("IRIW", "W x 1 || W y 1 || R x a; R y b || R y c; R x d", {"a": 1, "c": 1, "b": 0, "d": 0}),
    Litmus("CoRR", "W x 1 || R x a; R x b", {"a": 1, "b": 0}),
    Litmus("CoRW2", "W x 2 || R x a; W x 1", {"a": 2, "x": 2}),
    Litmus("CoWR", "W x 1; R x a || W x 2", {"a": 2, "x": 1}),
    Litmus("CoWW", "W x 1; W x 2", {"x": 1}),
    Litmus("CoRW1", "R x a; W x 1", {"a": 1}),
    Litmus("n6", "W x 1; R x a; R y b || W y 1; W x 2", {"a": 1, "b": 0, "x": 1}),
    Litmus("SB+rfi", "W x 1; R x a; R y b || W y 1; R y c; R x d", {"a": 1, "c": 1, "b": 0, "d": 0}),
)}


@dataclass(frozen=True)
class KickPath:
    """The pattern of the kick path. lost: a request that nobody will see, or a payload older than its request."""

    vcpu: str
    requester: str
    lost: dict[str, int]

    def program(self) -> Program:
        """Thread 0 is the vCPU. Outcomes are the values that *lost* names."""
        program = Program.parse(f"{self.vcpu} || {self.requester}", name="kick path")
        program.observe(*self.lost)
        return program

    @property
    def outcome(self) -> tuple[int, ...]:
        return tuple(self.lost.values())


_SEES = "W mode 1; F mb; R req seen"
_MISSED = {"seen": 0, "mode_read": 0}
_CLEARS = "R req seen; AND req _ 0; F after_atomic; R payload got"
_OLD = {"seen": 1, "got": 0}

KICK_PATHS = {
    "smp_mb, smp_mb__after_atomic": KickPath(_SEES, "OR req _ 1; F after_atomic; R mode mode_read", _MISSED),
    # The cmpxchg fails whenever the request is lost, and a failing one orders nothing: the barrier before it does.
    "the kernel's": KickPath(_SEES, "W payload 1; F wmb; OR req _ 1; F before_atomic; CAS mode mode_read 1 2 full", _MISSED),
    "requester without a barrier, reads mode": KickPath(_SEES, "OR req _ 1; R mode mode_read", _MISSED),
    "requester without a barrier, cmpxchg": KickPath(_SEES, "OR req _ 1; CAS mode mode_read 1 2 full", _MISSED),
    "vCPU without a barrier": KickPath("W mode 1; R req seen", "OR req _ 1; F after_atomic; R mode mode_read", _MISSED),
    "vCPU with a store-release only": KickPath("W mode 1 release; R req seen", "OR req _ 1; F after_atomic; R mode mode_read", _MISSED),
    "payload": KickPath(_CLEARS, "W payload 1; F wmb; OR req _ 1", _OLD),
    "payload without smp_wmb": KickPath(_CLEARS, "W payload 1; OR req _ 1", _OLD),
    "payload without smp_mb__after_atomic": KickPath("R req seen; AND req _ 0; R payload got", "W payload 1; F wmb; OR req _ 1", _OLD),
}


def _program(name: str, threads: list[list[str]], order: str = "relaxed", init: dict[str, int] | None = None) -> Program:
    text = " || ".join("; ".join(_ordered(row, order) for row in rows) for rows in threads)
    return Program.parse(text, name=name, init=init or {})


def readers(n: int) -> Program:
    """One store and *n* threads that load: 2^n executions."""
    return _program(f"readers({n})", [["W x 1"], *([f"R x a{i}"] for i in range(n))])


def lastzero(n: int, order: str = "relaxed") -> Program:
    """Thread 0 looks from a[n] downwards for a 0; thread i stores a[i - 1] + 1 to a[i].

    Under rc11 the counts that SC has are those of order="ra"; relaxed accesses have more executions.
    """
    scan = [row for i in range(n, 0, -1) for row in (f"R a{i} r", "IF r == 0 GOTO end")]
    adders = ([f"R a{i - 1} r", "CALC s r + 1", f"W a{i} s"] for i in range(1, n + 1))
    return _program(f"lastzero({n})", [[*scan, "R a0 r", "end:"], *adders], order)


def ainc(n: int) -> Program:
    """*n* threads that add 1 to one counter: n! executions."""
    return _program(f"ainc({n})", [["ADD x r 1"]] * n)


def sb(n: int, fences: bool = False) -> Program:
    """Store buffering in a ring of *n* threads: x[i] = 1; r = x[(i + 1) mod n]. fences: a seq_cst one in between."""
    return _program(f"sb({n})", [[f"W x{i} 1", *(["F sc"] if fences else []), f"R x{(i + 1) % n} r"] for i in range(n)])


def mp(n: int, order: str = "relaxed") -> Program:
    """A message to *n* readers: x = 1; y = 1, and each reads y, then x."""
    return _program(f"mp({n})", [["W x 1", "W y 1"], *([["R y r", "R x s"]] * n)], order)


def fib_bench(n: int, order: str = "plain") -> Program:
    """x = y = 1; *n* times x += y in one thread, y += x in another (load, load, store), and a third looks at both, once."""
    adders = [[f"R {a} a", f"R {b} b", "CALC c a + b", f"W {a} c"] * n for a, b in ("xy", "yx")]
    return _program(f"fib_bench({n})", [*adders, ["R x a", "R y b"]], order, {"x": 1, "y": 1})


def handshake(requesters: int, entries: int, barriers: bool = False) -> Program:
    """The vCPU enters *entries* times: mode = IN, looks for requests, consumes what it sees; each requester sets its bit and reads mode.

    barriers: a full one on both sides, between the store and the load.
    """
    barrier = ["F sc"] if barriers else []
    label = count()
    vcpu: list[str] = []
    for _ in range(entries):
        out, end = f"out{next(label)}", f"end{next(label)}"
        vcpu += ["W mode 1", *barrier, "R req r", f"IF r == 0 GOTO {out}", "W mode 0", "XCHG req old 0 sc", f"GOTO {end}",
                 f"{out}:", "W mode 0", f"{end}:"]
    threads = [[f"OR req old {1 << i}", *barrier, "R mode r"] for i in range(requesters)]
    return _program(f"handshake({requesters}, {entries})", [vcpu, *threads])
