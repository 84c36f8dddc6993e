"""Random walks down the tree of executions, for what is too large to exhaust, and an estimate of how large it is.

Knuth, "Estimating the efficiency of backtrack programs" (Mathematics of Computation 29, 1975): at each node go to one of its k children, all
as likely; the product of the k on the way is an unbiased estimate of the number of leaves. Its spread is large where the tree is uneven.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from typing import TYPE_CHECKING

from minikvm.check.search import Budget, Interrupts, Progress

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


class RandomSearch:
    """So many random walks, the same for the same seed. Every graph that one ends in is a consistent one; some are met again and again.

    After run(): *complete* and *blocked* are estimates of the numbers of executions; *walks* is how many walks there were.
    """

    exhausted = False

    def __init__(
        self, exploration: Steered, walks: int, seed: int, *, budget: Budget | None = None, progress: Callable[[Progress], object] | None = None
    ) -> None:
        if walks < 1:
            raise ValueError(f"random={walks}: at least one walk is needed")
        self.exploration = exploration
        self.wanted = walks
        self.budget = budget or Budget()
        self.progress = progress
        self.complete = Mean()
        self.blocked = Mean()
        self.began = time.monotonic()
        exploration.seed(seed & (2**64 - 1))

    @property
    def walks(self) -> int:
        """How many walks were made."""
        return self.complete.n

    @property
    def seconds(self) -> float:
        """Spent so far."""
        return time.monotonic() - self.began

    def run(self) -> bool:
        """Walk. False: nothing is exhausted by walking. Interrupted; whatever threads and callbacks raise."""
        exploration = self.exploration
        told = time.monotonic()
        with Interrupts() as interrupts:
            while self.walks < self.wanted:
                complete, blocked = exploration.executions, exploration.blocked
                weight = exploration.walk()
                self.complete.add(weight if exploration.executions > complete else None)
                self.blocked.add(weight if exploration.blocked > blocked else None)
                interrupts.check()
                executions, seconds = self.budget.left(exploration.executions + exploration.blocked, self.seconds)
                if executions <= 0 or seconds <= 0:
                    break
                looked = time.monotonic()
                if self.progress is not None and looked - told > 0.5:
                    told = looked
                    done = self.walks / max(self.seconds, 1e-9)
                    self.progress(Progress(exploration.executions, exploration.blocked, self.seconds, done, self.walks / self.wanted, 1))
        return False


__all__ = ["Mean", "RandomSearch"]
