"""What a litmus test's verdict is: every execution of its program, and which of them its condition holds in."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from minikvm.check.program import explore
from minikvm.check.rows import BadAddress, location_at
from minikvm.litmus.errors import LitmusError
from minikvm.litmus.statement import Item, Value
from minikvm.litmus.test import LitmusTest

AGREES, CONTRADICTED, UNDECIDED = "agrees", "contradicted", "undecided"


@dataclass(frozen=True)
class State:
    """A final state: its values in the order of the test's *shown*, how many executions end in it, whether the proposition holds."""

    values: tuple[Value, ...]
    executions: int
    holds: bool


@dataclass
class Decided:
    """The verdict. positive, negative: executions in which the proposition holds and does not; filtered: those that the filter leaves out
    (no state, not counted as either); blocked: those in which somebody waits for a lock for ever. races: "P0 line 3, P1 line 7, x"."""

    test: LitmusTest
    model: str
    states: list[State] = field(default_factory=list)
    positive: int = 0
    negative: int = 0
    filtered: int = 0
    blocked: int = 0
    executions: int = 0
    races: list[str] = field(default_factory=list)
    exhausted: bool = True
    seconds: float = 0.0

    @property
    def observation(self) -> str:
        """Never, Sometimes or Always does the proposition hold; Unknown where the budget ended before that was known."""
        if self.positive and self.negative:
            return "Sometimes"
        if not self.exhausted:
            return "Unknown"
        return "Always" if self.positive else "Never"

    @property
    def ok(self) -> bool | None:
        """Is the condition (with its quantifier) true? None: not known."""
        kind = self.test.condition.kind
        bad = self.negative if kind == "forall" else self.positive
        if kind == "exists":
            return True if self.positive else False if self.exhausted else None
        return False if bad else True if self.exhausted else None

    @property
    def buffering(self) -> bool:
        """May there be executions that were not looked at?"""
        return self.model == "lkmm" and self.test.buffering.possible

    @property
    def expected(self) -> str | None:
        """What the file says of itself: its Result comment, which is about lkmm, or else what ~exists and forall claim."""
        test = self.test
        if test.result is not None and self.model == "lkmm":
            return test.result
        return {"~exists": "Never", "forall": "Always"}.get(test.condition.kind)

    @property
    def agreement(self) -> str | None:
        """agrees, contradicted, undecided (for want of executions with load buffering, or of budget); None: nothing is expected."""
        expected, observed = self.expected, self.observation
        if expected is None:
            return None
        if expected == "DEADLOCK":
            right = self.blocked > 0 and self.positive + self.negative == 0
            return AGREES if right else CONTRADICTED if self.exhausted else UNDECIDED
        if observed == expected:
            right = not (self.test.races and self.test.result and self.model == "lkmm" and not self.races)
            return AGREES if right else UNDECIDED if self.buffering else CONTRADICTED
        if observed == "Unknown":
            return CONTRADICTED if (expected == "Never" and self.positive) or (expected == "Always" and self.negative) else UNDECIDED
        if expected == "Sometimes" and self.buffering:
            return UNDECIDED  # what is missing may be in an execution with load buffering
        return CONTRADICTED


def decide(test: LitmusTest, model: str = "lkmm", *, executions: int | None = None, seconds: float | None = None) -> Decided:
    """Explore *test* under a memory model. executions, seconds: the budget. LitmusError for a pointer that points to nothing."""
    try:
        result = explore(test.program, _model(test, model), max_executions=executions, seconds=seconds)
    except BadAddress as error:
        line, column = test.places[error.thread][error.row]
        what = "NULL" if error.value == 0 else f"the value {error.value - (1 << 64) if error.value >> 63 else error.value}"
        raise LitmusError(f"{what} is dereferenced in some execution", "a pointer to a shared variable", line, column, test.file) from None
    decided = Decided(test, model, executions=result.executions, blocked=result.blocked, exhausted=result.exhausted, seconds=result.seconds)
    names = test.program.locations()
    shown, observed = test.shown, test.observed
    states: dict[tuple[Value, ...], tuple[int, bool]] = {}
    for outcome, count in result.outcomes.items():
        values: dict[Item, Value] = {item: _value(number, names) for item, number in zip(observed, outcome, strict=True)}
        if test.condition.filter is not None and not test.condition.filter.holds(values):
            decided.filtered += count
            continue
        holds = test.condition.prop.holds(values)
        if holds:
            decided.positive += count
        else:
            decided.negative += count
        key = tuple(values[item] for item in shown)
        states[key] = (states.get(key, (0, holds))[0] + count, holds)
    decided.states = [State(key, *found) for key, found in sorted(states.items(), key=lambda found: [_rank(v) for v in found[0]])]
    decided.races = sorted({f"{', '.join(sorted(map(_side, (race.first, race.second))))}: {race.location}" for race in result.races})
    return decided


def _model(test: LitmusTest, model: str) -> Any:
    """The model; lkmm with the kernel's rules for plain accesses, where there are some."""
    if model != "lkmm" or not test.program.has_plain():
        return model
    from minikvm.check.models.lkmm import LKMM

    return LKMM(plain=True)


def _value(number: int, names: list[str]) -> Value:
    """A final value as a person reads it: an address by its name, everything else signed."""
    at = location_at(number)
    if 0 <= at < len(names):
        return f"&{names[at]}"
    return number - (1 << 64) if number >> 63 else number


def _rank(value: Value) -> tuple[bool, int, str]:
    return (True, 0, value) if isinstance(value, str) else (False, value, "")


def _side(text: str) -> str:
    """ "thread 0, line 3: plain write" -> "P0 line 3 (plain write)" """
    thread, _, what = text.partition(", ")
    place, _, how = what.partition(": ")
    return f"P{thread.removeprefix('thread ')} {place} ({how})"


__all__ = ["AGREES", "CONTRADICTED", "UNDECIDED", "Decided", "State", "decide"]
