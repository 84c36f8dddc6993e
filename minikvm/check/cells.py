"""The cells of a check: each strategy with a run loop under each memory model, explored one after the other."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from minikvm.check.counterexample import Finding, make_schedule
from minikvm.check.explorer import ReplayError
from minikvm.check.kvm import Scene
from minikvm.check.scope import Scope, scope_of
from minikvm.config.assembly import create, native_of
from minikvm.config.model import Plugin
from minikvm.pluginload import PluginError
from minikvm.properties import PROPERTIES, is_advisory

if TYPE_CHECKING:
    from minikvm.config.model import VMConfig
    from minikvm.plugins import Manager

CHUNK = 1000
"""Graphs between two looks at the clock: some 30 ms."""
CANDIDATES = 48
"""Violations of one property that are drawn to find the one with the fewest context switches."""
SHRINK_SECONDS = 3.0
NO_DEPENDENCIES = "compiled code states no dependencies: lkmm may alarm falsely here, and never hides an execution"
UNTORN = "plain accesses are explored as untorn, unrepeated relaxed ones"
LKMM = "lkmm: without RCU, and only executions without a cycle in program order and reads-from (no load buffering)"


@dataclass
class Budget:
    """Of one cell. None: none."""

    executions: int | None = None
    seconds: float | None = None


@dataclass
class Best:
    """The shortest counterexample of one property so far."""

    schedule: dict[str, Any] | None = None
    seen: int = 0
    spent: float = 0.0


@dataclass
class Cell:
    """What one cell found."""

    strategy: str
    loop: str
    model: str
    scope: Scope
    executions: int = 0
    blocked: int = 0
    exhausted: bool = False
    seconds: float = 0.0
    robust: bool | None = None
    violations: dict[str, Best] = field(default_factory=dict)
    races: list[list[str]] = field(default_factory=list)
    races_judged: bool = False

    def verdict_of(self, name: str) -> dict[str, Any]:
        """One property's verdict, without the file's name."""
        if name in self.violations:
            schedule = self.violations[name].schedule
            return {"verdict": "violated", "file": None, "sentence": schedule["sentence"] if schedule else None}
        if name not in self.scope.judged() or (name == "P10" and not self.races_judged):
            return {"verdict": "not judged"}
        if name == "P10" and self.races:
            return {"verdict": "races", "races": self.races}
        if not self.exhausted:
            return {"verdict": "not exhausted"}
        return {"verdict": "no races" if name == "P10" else "holds"}

    def as_dict(self) -> dict[str, Any]:
        """As in the verdict's JSON."""
        return {
            "strategy": self.strategy, "loop": self.loop, "model": self.model, "executions": self.executions, "blocked": self.blocked,
            "exhausted": self.exhausted, "seconds": round(self.seconds, 3), "robust": self.robust, "estimate": None,
            "properties": {name: self.verdict_of(name) for name in PROPERTIES if name in self.scope.properties},
        }  # fmt: skip


def named_races(scene: Scene) -> list[list[str]]:
    """The data races as pairs of texts, those of different vCPUs' words together: [["plain read of vcpu->cpu at kick.pxd:103", ...], ...]."""

    def text(side: tuple[str, str, str, str]) -> str:
        order, kind, location, place = side
        name = location.rstrip("0123456789")
        word = f"vcpu->{name}" if name in ("requests", "mode", "cpu", "wait", "strategy") else name
        return f"{order + ' ' if order == 'plain' else ''}{kind} of {word} at {place}"

    return [list(pair) for pair in sorted({(text(a), text(b)) for a, b in scene.data_races()})]


class Checker:
    """Explores the cells of one configuration.

    *strategies*, *loops*, *models*: names; None: what the file says. *text* is the file's, for schedule files.
    *progress* is called now and then with (cell number, cell, seconds).
    """

    def __init__(
        self, config: VMConfig, manager: Manager, file: str, text: str, *, strategies: Iterable[str] | None = None,
        loop: str | None = None, models: Iterable[str] | None = None, properties: Iterable[str] | None = None, budget: Budget | None = None,
        version: str = "", progress: Callable[[int, int, Cell, float], None] | None = None,
    ) -> None:
        self.config = config
        self.manager = manager
        self.file = file
        self.text = text
        self.scope = scope_of(config, manager)
        if properties:
            self.scope.properties = tuple(properties)
        self.strategies = [Plugin(name=name) for name in strategies] if strategies else [config.strategy]
        self.loop = Plugin(name=loop) if loop else config.loop
        self.models = list(models) if models else list(self.scope.models)
        self.budget = budget or Budget()
        self.version = version
        self.progress = progress
        self.cells: list[Cell] = []

    # ---- one cell ----

    def scene(self, strategy: Plugin, model: str, on_violation: Callable[[str, dict[str, Any]], None] | None) -> Scene:
        """The scene of one cell. PluginError, ConfigError, NotFound."""
        made = create(self.manager, "strategy", strategy)
        loop = create(self.manager, "loop", self.loop)
        injectors = [create(self.manager, "injector", wanted) for wanted in self.config.injectors]
        parts = [(made, "strategy"), (loop, "loop"), *((injector, "injector") for injector in injectors)]
        native = [part.native() for part, _ in parts]  # once: a second call may free what the first one gave
        python = any(capsule is None for capsule in native)
        capsules = [native_of(part, kind) if capsule is None else capsule for (part, kind), capsule in zip(parts, native, strict=True)]
        self.scope.membarrier = "membarrier" in getattr(made, "uses", ()) or made.name == "asymmetric"
        scene = Scene(self.scope, self.manager.create("model", model), capsules[0], capsules[1], capsules[2:], python, on_violation)
        scene.objects = (made, loop, injectors, capsules)
        return scene

    def head(self, strategy: str, model: str, before: int) -> dict[str, Any]:
        """The beginning of a schedule."""
        return {"minikvm": self.version, "file": self.file, "strategy": strategy, "loop": self.loop.name, "model": model,
                "config": self.text, "executions_before": before}

    def explore(self, number: int, strategy: Plugin, model: str) -> Cell:
        """Explore one cell to its end, or to the end of its budget."""
        cell = Cell(strategy.name, self.loop.name, model, self.scope)
        self.cells.append(cell)
        scene: Scene

        def violated(name: str, where: Mapping[str, Any]) -> None:
            best = cell.violations.setdefault(name, Best())
            best.seen += 1
            if best.seen > CANDIDATES or best.spent > SHRINK_SECONDS:
                return
            started = time.perf_counter()
            finding = Finding(name, where["thread"], where["index"], where["vcpu"], where["call"], where["other"])
            head = self.head(strategy.name, model, max(0, scene.executions + scene.blocked - 1))
            schedule = make_schedule(self.scope, scene.graph(), finding, head, scene.path())
            key = (schedule["switches"], len(schedule["rows"]))
            if best.schedule is None or key < (best.schedule["switches"], len(best.schedule["rows"])):
                best.schedule = schedule
            best.spent += time.perf_counter() - started

        scene = self.scene(strategy, model, violated)
        started = time.perf_counter()
        more = True
        try:
            while more and not self._spent(scene, time.perf_counter() - started):
                more = scene.explore(self._chunk(scene))
                self._count(cell, scene, time.perf_counter() - started)
                if self.progress is not None:
                    self.progress(number, len(self.strategies) * len(self.models), cell, cell.seconds)
            cell.exhausted = not more
        except ReplayError as error:
            raise PluginError(f"strategy {strategy.name}, loop {self.loop.name}: {error}", strategy.name) from error
        finally:
            self._count(cell, scene, time.perf_counter() - started)
            cell.races = named_races(scene)
            cell.races_judged = "P10" in self.scope.properties
            scene.close()
        return cell

    def _chunk(self, scene: Scene) -> int:
        if self.budget.executions is None:
            return CHUNK
        return max(1, min(CHUNK, self.budget.executions - scene.executions - scene.blocked))

    def _spent(self, scene: Scene, seconds: float) -> bool:
        budget = self.budget
        return (budget.executions is not None and scene.executions + scene.blocked >= budget.executions) or (
            budget.seconds is not None and seconds >= budget.seconds
        )

    @staticmethod
    def _count(cell: Cell, scene: Scene, seconds: float) -> None:
        cell.executions, cell.blocked, cell.seconds = scene.executions, scene.blocked, seconds

    # ---- all of them ----

    def run(self) -> list[Cell]:
        """Explore every cell."""
        number = 0
        for strategy in self.strategies:
            under: dict[str, Cell] = {}
            for model in self.models:
                under[model] = self.explore(number, strategy, model)
                number += 1
            sc, tso = under.get("sc"), under.get("tso")
            if sc and tso and sc.exhausted and tso.exhausted:
                tso.robust = (sc.executions, sc.blocked) == (tso.executions, tso.blocked)
        return self.cells

    def verdict(self) -> dict[str, Any]:
        """The verdict's JSON of what was explored so far."""
        notes = [UNTORN]
        if "lkmm" in self.models:
            notes += [LKMM, NO_DEPENDENCIES]
        return {
            "minikvm_verdict": 1, "minikvm": self.version, "file": self.file, "scope": self.scope.as_dict(),
            "injectors": list(self.scope.injectors), "loop": self.loop.name, "notes": [*self.scope.notes, *notes],
            "cells": [cell.as_dict() for cell in self.cells],
        }  # fmt: skip

    @property
    def violated(self) -> bool:
        """Was a property violated that is an error?"""
        return any(not is_advisory(name) for cell in self.cells for name in cell.violations)

    @property
    def exhausted(self) -> bool:
        """Was every cell explored to its end?"""
        return len(self.cells) == len(self.strategies) * len(self.models) and all(cell.exhausted for cell in self.cells)
