"""The data races of a cell, one by one, and what the violations of its properties have to do with each.

A plain access is explored as a relaxed one, so a mark (READ_ONCE) on it silences the race and changes no execution: no property can fail
for want of the mark alone. What exploration can decide is whether a property fails *only with* the race: whether in every violation the
racing read missed the racing write, that is, returned an older value of the word, for the vCPU that the violation is about.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from minikvm.check.cells import VCPU_WORDS, Best, Checker, Findings, side_of_race, word_of
from minikvm.check.execution import Event, Graph

Pair = tuple[str, str]
Sides = dict[Pair, list[dict[str, Any]]]
"""Of each race what is known of its two sides."""


@dataclass
class Tally:
    """Of one property's violations in a cell: how many there are; in how many a race occurs; in how many its read missed its write."""

    violations: int = 0
    racing: dict[Pair, int] = field(default_factory=dict)
    missed: dict[Pair, int] = field(default_factory=dict)

    def add(self, other: Tally) -> None:
        """Count another process's violations, too."""
        self.violations += other.violations
        for mine, theirs in ((self.racing, other.racing), (self.missed, other.missed)):
            for pair, count in theirs.items():
                mine[pair] = mine.get(pair, 0) + count

    def about(self, name: str, pair: Pair) -> dict[str, Any]:
        """What it says of one race, for the property *name*."""
        missed = self.missed.get(pair, 0)
        return {"property": name, "violations": self.violations, "racing": self.racing.get(pair, 0), "missed": missed,
                "only_with_it": 0 < self.violations == missed}


class RaceFindings(Findings):
    """Counts instead of counterexamples."""

    def __init__(self, *args: Any) -> None:
        super().__init__(*args)
        self.tallies: dict[str, Tally] = {}
        self.sides_elsewhere: list[Sides] = []

    def violated(self, name: str, where: Mapping[str, Any]) -> None:
        """A property is violated in the scene's current graph."""
        self.cell.violations.setdefault(name, Best()).seen += 1
        tally = self.tallies.setdefault(name, Tally())
        tally.violations += 1
        graph = self.scene.graph()
        racing: set[Pair] = set()
        missed: set[Pair] = set()
        for first, second in self.scene.races_here():
            a, b = graph.event(first), graph.event(second)
            if concerns(a.loc or "", where["vcpu"]):
                pair = (side(a), side(b))
                racing.add(pair)
                if misses(graph, a, second) or misses(graph, b, first):
                    missed.add(pair)
        for pair in racing:
            tally.racing[pair] = tally.racing.get(pair, 0) + 1
        for pair in missed:
            tally.missed[pair] = tally.missed.get(pair, 0) + 1

    def races(self) -> list[list[str]]:
        """All races so far; also what is known of each, for the cell."""
        self.cell.racing = self.described()
        return super().races()

    def found(self) -> Any:
        """As plain data."""
        tallies = {name: [tally.violations, list(tally.racing.items()), list(tally.missed.items())] for name, tally in self.tallies.items()}
        return {**super().found(), "tallies": tallies, "sides": list(self.sides().items())}

    def merge(self, found: Any) -> None:
        """Add what somebody else has found."""
        super().merge(found)
        for name, (violations, racing, missed) in found["tallies"].items():
            self.tallies.setdefault(name, Tally()).add(Tally(violations, counts(racing), counts(missed)))
        self.sides_elsewhere.append({(a, b): both for (a, b), both in found["sides"]})

    def forget(self) -> None:
        """Begin anew."""
        super().forget()
        self.tallies.clear()
        self.sides_elsewhere.clear()

    def described(self) -> list[dict[str, Any]]:
        """Each race as in the JSON of ``minikvm races``, without its model."""
        return [
            {"accesses": sides, "properties": [self.tallies[name].about(name, pair) for name in sorted(self.tallies)]}
            for pair, sides in sorted(self.sides().items())
        ]

    def sides(self) -> Sides:
        """Both sides of each race, of this process and of others."""
        names, actors = self.scene.location_names(), self.checker.scope.actors
        found: Sides = {}
        for accesses in self.scene.race_pairs():
            sides = [describe(a.order, a.kind, names[a.loc], a.name, f"{a.file}:{a.line}" if a.file else a.name) for a in accesses]
            if any(one["word"] == "page" for one in sides):
                continue  # that race is P4
            for one, access in zip(sides, accesses, strict=True):
                one["threads"] = [actors[access.thread].name]
            add_sides(found, (sides[0].pop("text"), sides[1].pop("text")), sides)
        for others in self.sides_elsewhere:
            for pair, sides in others.items():
                add_sides(found, pair, sides)
        return found


class RaceChecker(Checker):
    """A checker whose cells have ``racing``: what is known of each race."""

    findings = RaceFindings


def counts(pairs: Any) -> dict[Pair, int]:
    """Counts by race, from plain data."""
    return {(a, b): count for (a, b), count in pairs}


def add_sides(found: Sides, pair: Pair, sides: list[dict[str, Any]]) -> None:
    """Add a race, or the threads in which it occurs to those of the same race."""
    kept = found.setdefault(pair, [{**one, "threads": []} for one in sides])
    for one, more in zip(kept, sides, strict=True):
        one["threads"] = sorted({*one["threads"], *more["threads"]})


def concerns(location: str, vcpu: int) -> bool:
    """May a violation for *vcpu* (-1: for none) have to do with this word? Not with another vCPU's."""
    name = location.rstrip("0123456789")
    return vcpu < 0 or name not in VCPU_WORDS or location == f"{name}{vcpu}"


def side(event: Event) -> str:
    """The side of a race that an event is; as cells.side_of_race() has it."""
    kind = "rmw" if event.rmw and event.kind != "R" else "write" if event.kind == "W" else "read"
    order = "plain" if event.order == "plain" else "marked"
    return side_of_race(order, kind, event.loc or "", f"{event.file}:{event.line}" if event.file else event.name)


def misses(graph: Graph, read: Event, write: tuple[int, int]) -> bool:
    """Did a read return an older value than the one that an event of the same word wrote?"""
    order = graph.co.get(read.loc or "", ())
    if read.rf is None or write not in order:
        return False
    seen = order.index(read.rf) if read.rf in order else -1
    return seen < order.index(write)


def describe(order: str, kind: str, location: str, name: str, place: str) -> dict[str, Any]:
    """One side: its text, its word and place, how it is made, what marks it, and no threads yet."""
    text = side_of_race(order, kind, location, place)
    word = word_of(location)
    expression = name if word == "other" and name else word
    mark = {"read": f"READ_ONCE({expression})", "write": f"WRITE_ONCE({expression}, ...)"}.get(kind, "") if order == "plain" else ""
    return {"text": text, "access": kind, "plain": order == "plain", "word": word, "place": text.partition(" at ")[2], "threads": [],
            "mark": mark or None}
