"""How large is a tree that was not explored: Knuth's estimator.

Knuth, "Estimating the efficiency of backtrack programs" (Mathematics of Computation 29, 1975): at each node go to one of its k children,
all as likely; the product of the k on the way is an unbiased estimate of the number of leaves. Its spread is large where the tree is
uneven, and then most samples are too small.
"""

from __future__ import annotations

import math
import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from minikvm.check.steering import Steered


class Mean:
    """Mean and standard error of numbers that are given by their logarithms, however large."""

    def __init__(self) -> None:
        self.n = 0
        self._scale = 0.0  # a logarithm
        self._sum = 0.0
        self._squares = 0.0

    def add(self, logarithm: float | None) -> None:
        """Add exp(logarithm), or 0 for None."""
        self.n += 1
        if logarithm is None:
            return
        if logarithm > self._scale:
            shrink = math.exp(self._scale - logarithm)
            self._sum *= shrink
            self._squares *= shrink * shrink
            self._scale = logarithm
        value = math.exp(logarithm - self._scale)
        self._sum += value
        self._squares += value * value

    def _scaled(self, value: float) -> float:
        try:
            return value * math.exp(self._scale)
        except OverflowError:
            return math.inf

    @property
    def mean(self) -> float:
        """0 when nothing was added."""
        return self._scaled(self._sum / self.n) if self.n else 0.0

    @property
    def error(self) -> float:
        """The standard error of the mean; infinite with fewer than two numbers."""
        if self.n < 2:
            return math.inf
        mean = self._sum / self.n
        return self._scaled(math.sqrt(max(0.0, self._squares / self.n - mean * mean) / (self.n - 1)))


class Estimate:
    """Of the numbers of complete and of blocked executions of one exploration."""

    def __init__(self) -> None:
        self.complete = Mean()
        self.blocked = Mean()

    @property
    def walks(self) -> int:
        """How many walks it rests on."""
        return self.complete.n

    def walk(self, exploration: Steered) -> None:
        """One more walk; the exploration counts where it ends, and calls what is called for each graph."""
        complete, blocked = exploration.executions, exploration.blocked
        weight = exploration.walk()
        self.complete.add(weight if exploration.executions > complete else None)
        self.blocked.add(weight if exploration.blocked > blocked else None)

    def improve(self, exploration: Steered, seconds: float) -> None:
        """Walk for so long, unnoticed: the exploration goes on where it was, its counters as they were, and nothing is called."""
        until = time.monotonic() + seconds
        with exploration.aside():
            while time.monotonic() < until:
                self.walk(exploration)

    def share(self, executions: int) -> float:
        """How much is done, 0..1, after so many executions (complete and blocked ones): below 1 as long as there is more."""
        if executions <= 0:
            return 0.0
        return executions / max(self.complete.mean + self.blocked.mean, 1.05 * executions)


__all__ = ["Estimate", "Mean"]
