"""What a thread becomes: rows for the explorer, and a list of its accesses with what is certain to order them."""

from __future__ import annotations

from dataclasses import dataclass, field

from minikvm.check.parser import Row, Value
from minikvm.litmus.errors import LitmusError

Branch = tuple[tuple[int, int], ...]
"""The arms that a statement is in: (number of the if, 0 or 1), outermost first."""


@dataclass(frozen=True)
class Val:
    """A value: a number, "&x" or a register. deps: registers that hold what it depends on; certain: the loads that it depends on in any
    case, by their number in the thread."""

    of: Value
    deps: frozenset[str] = frozenset()
    certain: frozenset[int] = frozenset()


@dataclass(frozen=True)
class Access:
    """One access or fence of a thread, as it is known before anything runs. loc: None: unknown. kind: "R", "W", "RMW", "F".

    after: the loads whose values it waits for in any case, by an address, and where it writes also by data and control.
    """

    kind: str
    loc: str | None
    order: str
    branch: Branch
    after: frozenset[int] = frozenset()
    fails: bool = False


@dataclass
class Code:
    """A thread's rows. places: (line, column) of each, labels not counted. variables: its registers that have a name."""

    rows: list[Row] = field(default_factory=list)
    places: list[tuple[int, int]] = field(default_factory=list)
    accesses: list[Access] = field(default_factory=list)
    variables: set[str] = field(default_factory=set)
    locks: dict[str, tuple[int, int]] = field(default_factory=dict)
    others: dict[str, tuple[int, int]] = field(default_factory=dict)
    plain: bool = False


class Emitter:
    """Writes rows: allocates registers, labels, and adds the control dependencies of the arms that it is in."""

    def __init__(self) -> None:
        self.code = Code()
        self.branch: Branch = ()
        self.conditions: list[Val] = []
        self.place = (0, 0)
        self._temporaries = 0
        self._labels = 0

    def temporary(self) -> str:
        """A register without a name, until the statement's end."""
        self._temporaries += 1
        return f"%{self._temporaries}"

    def mark(self) -> int:
        """For release()."""
        return self._temporaries

    def release(self, mark: int) -> None:
        """The registers since *mark* are free again."""
        self._temporaries = mark

    def label(self) -> str:
        """A new one."""
        self._labels += 1
        return f"L{self._labels}"

    def row(self, row: Row) -> None:
        """Add one."""
        self.code.rows.append(row)
        if row.op != "LABEL":
            self.code.places.append(self.place)

    def compute(self, op: str, a: Val, b: Val | None = None, into: str | None = None) -> Val:
        """SET or CALC; what it depends on goes with the value."""
        deps, certain = a.deps, a.certain
        if b is not None:
            deps, certain = deps | b.deps, certain | b.certain
        reg = into or self.temporary()
        carried = {"data": tuple(sorted(deps))}
        if b is None:
            self.row(Row("SET", reg=reg, a=a.of, deps=carried))
        else:
            self.row(Row("CALC", reg=reg, a=a.of, b=b.of, cond=op, deps=carried))
        return Val(reg, frozenset((reg,)) if deps else frozenset(), certain)

    def access(self, kind: str, row: Row, at: Val, data: Val | None = None, *, fails: bool = False, lock: bool = False) -> Val:
        """An access to where *at* points. *row* says the rest. The value that it gets, if any."""
        code = self.code
        deps = {"addr": at.deps, "data": data.deps if data else frozenset(),
                "ctrl": frozenset(reg for condition in self.conditions for reg in condition.deps)}
        after = at.certain
        if kind != "R":  # data and control dependencies order only what writes
            after = after.union(data.certain if data else (), *(condition.certain for condition in self.conditions))
        if not isinstance(at.of, str):
            raise LitmusError(f"the number {at.of}", "a pointer to a shared variable", *self.place)
        loc = at.of[1:] if at.of.startswith("&") else None
        row = Row(row.op, loc=loc, at=None if loc is not None else at.of, reg=row.reg, a=row.a, b=row.b, order=row.order,
                  deps={name: tuple(sorted(regs)) for name, regs in deps.items() if regs}, line=self.place[0])
        self.row(row)
        if loc is not None:
            (code.locks if lock else code.others).setdefault(loc, self.place)
        code.plain = code.plain or row.order == "plain"
        number = len(code.accesses)
        code.accesses.append(Access(kind, loc, row.order, self.branch, after, fails))
        if row.reg is None:
            return Val(0)
        return Val(row.reg, frozenset((row.reg,)), frozenset((number,)))

    def fence(self, order: str) -> None:
        """A barrier."""
        self.row(Row("F", order=order, line=self.place[0]))
        self.code.accesses.append(Access("F", None, order, self.branch))


__all__ = ["Access", "Branch", "Code", "Emitter", "Val"]
