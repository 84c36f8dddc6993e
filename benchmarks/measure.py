"""Ratios on a noisy machine: two things are timed in turns, and the median of the rounds' ratios counts."""

from __future__ import annotations

import statistics
from collections.abc import Callable
from dataclasses import dataclass

Timed = Callable[[], float]
"""One round: nanoseconds for one operation."""


@dataclass(frozen=True)
class Row:
    """One line of the table: what was measured, both times in ns for one operation, and the bound on their ratio, if there is one.

    *unit*: "B" where the two are bytes.
    """

    group: str
    what: str
    ours_ns: float
    reference_ns: float
    ratio: float
    bound: float | None
    at_least: bool = False
    rounds: int = 0
    unit: str = "ns"

    @property
    def met(self) -> bool:
        """Is the ratio within the bound? True without a bound."""
        if self.bound is None:
            return True
        return self.ratio >= self.bound if self.at_least else self.ratio <= self.bound


def in_turns(ours: Timed, reference: Timed, rounds: int) -> list[tuple[float, float]]:
    """*rounds* pairs of times. Who goes first alternates, so that neither always finds the caches as the other left them."""
    pairs = []
    for i in range(rounds):
        if i & 1:
            a = ours()
            b = reference()
        else:
            b = reference()
            a = ours()
        pairs.append((a, b))
    return pairs


def rounds_of(
    group: str, what: str, some: Callable[[], list[tuple[float, float]]], times: int, bound: float | None, most: int = 8
) -> Row:
    """The row of all that *some* gives in *times* calls; in up to *most* times as many while the median misses its bound."""
    pairs: list[tuple[float, float]] = []
    while True:
        for _ in range(times):
            pairs += some()
        row = row_of(group, what, pairs, bound)
        most -= 1
        if row.met or most == 0:
            return row


def row_of(group: str, what: str, pairs: list[tuple[float, float]], bound: float | None, at_least: bool = False) -> Row:
    """The row of these rounds: the medians. The ratio is ours/reference, with *at_least* reference/ours: how many times faster ours is."""
    ratio = statistics.median(b / a if at_least else a / b for a, b in pairs)
    return Row(group, what, statistics.median(a for a, _ in pairs), statistics.median(b for _, b in pairs), ratio, bound, at_least,
               len(pairs))
