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


@dataclass
class Tally:
    """Of one property's violations in a cell: how many there are; in how many a race occurs; in how many its read missed its write."""

    violations: int = 0
    racing: dict[Pair, int] = field(default_factory=dict)
    missed: dict[Pair, int] = field(default_factory=dict)

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

    def described(self) -> list[dict[str, Any]]:
        """Each race as in the JSON of ``minikvm races``, without its model."""
        names, actors = self.scene.location_names(), self.checker.scope.actors
        found: dict[Pair, tuple[dict[str, Any], dict[str, Any]]] = {}
        for accesses in self.scene.race_pairs():
            sides = [describe(a.order, a.kind, names[a.loc], a.name, f"{a.file}:{a.line}" if a.file else a.name) for a in accesses]
            if any(one["word"] == "page" for one in sides):
                continue  # that race is P4
            kept = found.setdefault((sides[0].pop("text"), sides[1].pop("text")), (sides[0], sides[1]))
            for one, access in zip(kept, accesses, strict=True):
                one["threads"] = sorted({*one["threads"], actors[access.thread].name})
        return [
            {"accesses": list(sides), "properties": [self.tallies[name].about(name, pair) for name in sorted(self.tallies)]}
            for pair, sides in sorted(found.items(), key=lambda item: item[0])
        ]


class RaceChecker(Checker):
    """A checker whose cells have ``racing``: what is known of each race."""

    findings = RaceFindings


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
