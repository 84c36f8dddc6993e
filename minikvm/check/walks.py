"""Random walks down the tree of executions, for what is too large to exhaust."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TYPE_CHECKING

from minikvm.check.estimate import Estimate
from minikvm.check.search import Budget, Interrupts, Progress

if TYPE_CHECKING:
    from minikvm.check.steering import Steered


class RandomSearch:
    """So many random walks, the same for the same seed. Every graph that one ends in is a consistent one; some are met again and again.

    After run(): *estimate* says how many executions there are.
    """

    exhausted = False

    def __init__(
        self, exploration: Steered, walks: int, seed: int, *, budget: Budget | None = None,
        progress: Callable[[Progress], object] | None = None,
    ) -> None:
        if walks < 1:
            raise ValueError(f"random={walks}: at least one walk is needed")
        self.exploration = exploration
        self.wanted = walks
        self.budget = budget or Budget()
        self.progress = progress
        self.estimate = Estimate()
        self.began = time.monotonic()
        exploration.seed(seed & (2**64 - 1))

    @property
    def seconds(self) -> float:
        """Spent so far."""
        return time.monotonic() - self.began

    def run(self) -> bool:
        """Walk. False: nothing is exhausted by walking. Interrupted; whatever threads and callbacks raise."""
        exploration = self.exploration
        told = time.monotonic()
        with Interrupts() as interrupts:
            while self.estimate.walks < self.wanted:
                self.estimate.walk(exploration)
                interrupts.check()
                executions, seconds = self.budget.left(exploration.executions + exploration.blocked, self.seconds)
                if executions <= 0 or seconds <= 0:
                    break
                looked = time.monotonic()
                if self.progress is not None and looked - told > 0.5:
                    told = looked
                    rate, share = self.estimate.walks / max(self.seconds, 1e-9), self.estimate.walks / self.wanted
                    self.progress(Progress(exploration.executions, exploration.blocked, self.seconds, rate, share, 1))
        return False


__all__ = ["RandomSearch"]
