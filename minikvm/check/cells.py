"""The cells of a check: each strategy with a run loop under each memory model, explored one after the other."""

from __future__ import annotations

import gc
import hashlib
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from minikvm.check.checkpoint import CheckpointError
from minikvm.check.counterexample import Finding, make_schedule
from minikvm.check.explorer import ReplayError
from minikvm.check.fingerprint import fingerprint
from minikvm.check.graph import EndlessError
from minikvm.check.jobs import WorkerError
from minikvm.check.kvm import Scene
from minikvm.check.scope import Scope, ScopeError, UndeclaredUseError, scope_of
from minikvm.check.search import Budget, Progress, Search
from minikvm.check.walks import RandomSearch
from minikvm.check.words import place_of
from minikvm.config.assembly import create, native_of
from minikvm.config.model import Plugin
from minikvm.kinds import is_c_file, labels
from minikvm.pluginload import BeginAnew, PluginError, sentence
from minikvm.properties import PROPERTIES, is_advisory

if TYPE_CHECKING:
    from minikvm.config.model import VMConfig
    from minikvm.plugins import Manager

VCPU_WORDS = ("requests", "mode", "cpu", "wait", "strategy")
CANDIDATES = 48
"""Violations of one property that are drawn to find the one with the fewest context switches."""
SHRINK_SECONDS = 3.0
NO_DEPENDENCIES = "compiled code states no dependencies: lkmm may alarm falsely here, and never hides an execution"
UNTORN = "plain accesses are explored as untorn, unrepeated relaxed ones"
LKMM = "lkmm: without RCU, and only executions without a cycle in program order and reads-from (no load buffering)"


@dataclass(frozen=True)
class How:
    """How cells are searched: processes, checkpoint files, or random walks instead."""

    jobs: int = 1
    checkpoint: Path | None = None
    resume: Path | None = None
    save_every: float = 30.0
    random: int | None = None
    seed: int = 1


@dataclass
class Best:
    """The shortest counterexample of one property so far."""

    schedule: dict[str, Any] | None = None
    seen: int = 0
    spent: float = 0.0

    def offer(self, schedule: dict[str, Any] | None) -> None:
        """Keep it if it has fewer context switches, or as many and fewer steps."""
        if schedule is not None and (self.schedule is None or self._key(schedule) < self._key(self.schedule)):
            self.schedule = schedule

    @staticmethod
    def _key(schedule: dict[str, Any]) -> tuple[int, int]:
        return schedule["switches"], len(schedule["rows"])


@dataclass(frozen=True)
class Needless:
    """P9: the most IPIs of one execution so far that no target asked for, and that execution."""

    count: int = 0
    schedule: dict[str, Any] | None = None


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
    estimate: float | None = None
    violations: dict[str, Best] = field(default_factory=dict)
    races: list[list[str]] = field(default_factory=list)
    races_judged: bool = False
    racing: list[dict[str, Any]] = field(default_factory=list)
    needless: Needless = Needless()

    @property
    def schedules(self) -> dict[str, dict[str, Any]]:
        """The executions that are worth a file, by property."""
        found = {name: best.schedule for name, best in self.violations.items()} | {"P9": self.needless.schedule}
        return {name: schedule for name, schedule in sorted(found.items()) if schedule is not None}

    def verdict_of(self, name: str) -> dict[str, Any]:
        """One property's verdict, without the file's name."""
        if name in self.violations:
            schedule = self.violations[name].schedule
            return {"verdict": "violated", "file": None, "sentence": schedule["sentence"] if schedule else None}
        if name not in self.scope.judged() or (name == "P10" and not self.races_judged):
            return {"verdict": "not judged"}
        if name == "P9" and self.needless.count:
            return {"verdict": "exceeded", "file": None, "needless": self.needless.count}
        if name == "P10" and self.races:
            return {"verdict": "races", "races": self.races}
        if not self.exhausted:
            return {"verdict": "not exhausted"}
        return {"verdict": "no races" if name == "P10" else "holds"}

    def as_dict(self) -> dict[str, Any]:
        """As in the verdict's JSON."""
        return {
            "strategy": self.strategy, "loop": self.loop, "model": self.model, "executions": self.executions + self.blocked,
            "blocked": self.blocked, "exhausted": self.exhausted, "seconds": round(self.seconds, 3), "robust": self.robust,
            "estimate": self.estimate,
            "properties": {name: self.verdict_of(name) for name in PROPERTIES if name in self.scope.properties},
        }  # fmt: skip


class Findings:
    """What a cell has found, for its search: counterexamples and races, of this process and of others."""

    def __init__(self, checker: Checker, cell: Cell, scene: Scene) -> None:
        self.checker = checker
        self.cell = cell
        self.scene = scene
        self.others: set[tuple[str, ...]] = set()

    def violated(self, name: str, where: Mapping[str, Any]) -> None:
        """A property is violated in the scene's current graph."""
        cell = self.cell
        if name == "P9":  # none: what is kept is the worst execution
            if where["needless"] > cell.needless.count:
                cell.needless = Needless(where["needless"], self.schedule(name, where))
            return
        best = cell.violations.setdefault(name, Best())
        best.seen += 1
        if best.seen > CANDIDATES or best.spent > SHRINK_SECONDS:
            return
        started = time.perf_counter()
        best.offer(self.schedule(name, where))
        best.spent += time.perf_counter() - started

    def schedule(self, name: str, where: Mapping[str, Any]) -> dict[str, Any]:
        """The schedule of the scene's current graph."""
        cell, scene, checker = self.cell, self.scene, self.checker
        head = checker.head(cell.strategy, cell.model, max(0, scene.executions + scene.blocked - 1))
        return make_schedule(checker.scope, scene.graph(), Finding.of(name, where), head, scene.path())

    def races(self) -> list[list[str]]:
        """All races so far."""
        return [list(pair) for pair in self.others | {tuple(pair) for pair in named_races(self.scene)}]

    def found(self) -> Any:
        """As plain data."""
        violations = {name: [best.seen, best.schedule] for name, best in self.cell.violations.items()}
        return {"violations": violations, "races": self.races(), "needless": [self.cell.needless.count, self.cell.needless.schedule]}

    def merge(self, found: Any) -> None:
        """Add what somebody else has found."""
        for name, (seen, schedule) in found["violations"].items():
            best = self.cell.violations.setdefault(name, Best())
            best.seen += seen
            best.offer(schedule)
        self.others |= {tuple(pair) for pair in found["races"]}
        if found["needless"][0] > self.cell.needless.count:
            self.cell.needless = Needless(*found["needless"])

    def forget(self) -> None:
        """Begin anew."""
        self.cell.violations.clear()
        self.cell.needless = Needless()
        self.others.clear()


def c_files(strategy: str, loop: str) -> list[dict[str, str]]:
    """The C files among the two, as a schedule names them; paths as seen from the current folder."""
    named = (("strategy", strategy), ("loop", loop))
    return [{"kind": kind, "path": name, "sha256": digest(Path(name))} for kind, name in named if is_c_file(name, kind)]


def digest(path: Path) -> str:
    """SHA-256 of a file's bytes; "" where there is none, which whoever compiles it says."""
    try:
        return hashlib.sha256(path.read_bytes()).hexdigest()
    except OSError:
        return ""


def side_of_race(order: str, kind: str, location: str, place: str) -> str:
    """One side of a data race, different vCPUs' words alike: "plain read of vcpu->cpu at kick.pxd:103"."""
    return f"{order + ' ' if order == 'plain' else ''}{kind} of {word_of(location)} at {place_of(place)}"


def word_of(location: str) -> str:
    """A location without the vCPU's number: vcpu->cpu for cpu0."""
    name = location.rstrip("0123456789")
    return f"vcpu->{name}" if name in VCPU_WORDS else name


def named_races(scene: Scene) -> list[list[str]]:
    """The data races as pairs of texts, each pair once; those of pages are P4."""
    pairs = [pair for pair in scene.data_races() if not any(location.startswith("page") for _, _, location, _ in pair)]
    return [list(pair) for pair in sorted({(side_of_race(*a), side_of_race(*b)) for a, b in pairs})]


class Checker:
    """Explores the cells of one configuration.

    *strategies*, *loops*, *models*: names; None: what the file says. *text* is the file's, for schedule files.
    *progress* is called now and then with (cell number, cell, seconds).
    """

    findings: ClassVar[type[Findings]] = Findings
    """What becomes of a cell's violations and races."""

    def __init__(
        self, config: VMConfig, manager: Manager, file: str, text: str, *, strategies: Iterable[str] | None = None,
        loop: str | None = None, models: Iterable[str] | None = None, properties: Iterable[str] | None = None, budget: Budget | None = None,
        how: How | None = None, version: str = "", progress: Callable[[int, int, Cell, Progress], None] | None = None,
    ) -> None:
        self.config = config
        self.manager = manager
        self.file = file
        self.text = text
        self.scope = scope_of(config, manager)
        if properties:
            self.scope.properties = tuple(properties)
        # What the file has options for keeps them when it is named again.
        own = config.strategy
        self.strategies = [own if name == own.name else Plugin(name=name) for name in strategies or [own.name]]
        self.loop = Plugin(name=loop) if loop and loop != config.loop.name else config.loop
        self.models = list(models) if models else list(self.scope.models)
        self.budget = budget or Budget()
        self.how = how or How()
        self.version = version
        self.progress = progress
        self.cells: list[Cell] = []
        self.shared: set[int] = set()
        """Variables on the stacks of C code that several threads use, as explorations have found out."""

    # ---- one cell ----

    def scene(self, strategy: Plugin, model: str, on_violation: Callable[[str, dict[str, Any]], None] | None) -> Scene:
        """The scene of one cell. PluginError, ConfigError, NotFound."""
        made = create(self.manager, "strategy", strategy)
        loop = create(self.manager, "loop", self.loop)
        injectors = [create(self.manager, "injector", wanted) for wanted in self.config.injectors]
        # A move is a choice of the vCPU that is moved (see move_if_wanted() in pcpus.pyx), so nobody asks the injector for it.
        injectors = [injector for injector in injectors if "migrate" not in injector.uses]
        parts = [(made, "strategy"), (loop, "loop"), *((injector, "injector") for injector in injectors)]
        for part, _ in parts:
            if hasattr(part, "exposed"):
                part.exposed = tuple(sorted(self.shared))
        native = [part.checked() for part, _ in parts]  # once: a second call may free what the first one gave
        python = any(capsule is None for capsule in native)
        capsules = [native_of(part, kind) if capsule is None else capsule for (part, kind), capsule in zip(parts, native, strict=True)]
        self.scope.membarrier = "membarrier" in {*made.uses, *loop.uses}
        scene = Scene(self.scope, self.manager.create("model", model), capsules[0], capsules[1], capsules[2:], python, on_violation)
        scene.objects = (made, loop, injectors, capsules)
        return scene

    def head(self, strategy: str, model: str, before: int) -> dict[str, Any]:
        """The beginning of a schedule."""
        return {"minikvm": self.version, "file": self.file, "strategy": strategy, "loop": self.loop.name, "model": model,
                "config": self.text, "c_files": c_files(strategy, self.loop.name), "c_words": sorted(self.shared),
                "executions_before": before}

    def explore(self, number: int, strategy: Plugin, model: str) -> Cell:
        """Explore one cell to its end, or to the end of its budget."""
        while True:
            cell = self._explore(number, strategy, model)
            if cell is not None:
                return cell
            self.cells.pop()
            gc.collect()  # the stacks of C code are to lie where they lay

    def _explore(self, number: int, strategy: Plugin, model: str) -> Cell | None:
        """Once; None: it has to begin anew."""
        cell = Cell(strategy.name, self.loop.name, model, self.scope)
        self.cells.append(cell)
        scene = self.scene(strategy, model, lambda name, where: found.violated(name, where))  # noqa: PLW0108
        found = self.findings(self, cell, scene)

        def tell(progress: Progress) -> None:
            cell.executions, cell.blocked, cell.seconds = progress.executions, progress.blocked, progress.seconds
            if self.progress is not None:
                self.progress(number, len(self.strategies) * len(self.models), cell, progress)

        search: Search | RandomSearch
        if self.how.random is not None:
            search = RandomSearch(scene, self.how.random, self.how.seed, budget=self.budget, progress=tell)
        else:
            search = Search(
                scene, budget=self.budget, fingerprint=self.fingerprint(strategy, model), resume=self.resumed(cell),
                checkpoint=self.file_of(self.how.checkpoint, cell), save_every=self.how.save_every, jobs=self.how.jobs,
                state=found, progress=tell,
            )  # fmt: skip
        anew = False
        whose = f"strategy {strategy.name}, loop {self.loop.name}"
        try:
            search.run()
            cell.exhausted = search.exhausted
        except (ScopeError, CheckpointError, WorkerError, PluginError):
            raise
        except BeginAnew as error:
            self.shared.add(error.word)
            anew = True
        except UndeclaredUseError as error:
            word, injector = error.args
            who = f"injector {injector}" if injector else f"strategy {strategy.name} or loop {self.loop.name}"
            rule = f'expected uses = frozenset({{"{word}"}}) in its class, which a check must know beforehand'
            raise PluginError(f"{who}: calls {word}() and does not say so: {rule}", injector or strategy.name) from None
        except EndlessError as error:
            raise PluginError(f"{whose}: {error.told_of(self.scope.actors[error.args[0]].name)}", strategy.name) from None
        except ReplayError as error:  # where it was found out says nothing about the plugin
            raise PluginError(f"{whose}: {sentence(error)}", strategy.name) from None
        except Exception as error:  # what a plugin raised, or did
            raise PluginError(f"{whose}: {sentence(error)}", strategy.name) from error
        finally:
            cell.executions, cell.blocked, cell.seconds = scene.executions, scene.blocked, search.seconds
            cell.races = sorted(found.races())
            cell.races_judged = "P10" in self.scope.properties
            if isinstance(search, RandomSearch):
                cell.estimate = search.estimate.complete.mean + search.estimate.blocked.mean
            scene.close()
        return None if anew else cell

    def fingerprint(self, strategy: Plugin, model: str) -> str:
        """Of what a cell explores: a checkpoint of anything else is refused."""
        what = (strategy.name, strategy.options, self.loop.name, model, c_files(strategy.name, self.loop.name))
        return fingerprint(self.version, self.config.model_dump_json(), self.scope.properties, *what)

    def file_of(self, base: Path | None, cell: Cell) -> Path | None:
        """Each cell has a checkpoint of its own: NAME-strategy-model.json for NAME.json; NAME.json itself where there is one cell."""
        if base is None or len(self.strategies) * len(self.models) == 1:
            return base
        return base.with_stem(f"{base.stem}-{self.slug(cell.strategy)}-{cell.model}")

    def slug(self, name: str) -> str:
        """How a strategy or loop of this check is called in the names of files."""
        return labels([*(strategy.name for strategy in self.strategies), self.loop.name])[name].replace("/", "-")

    def resumed(self, cell: Cell) -> Path | None:
        """The checkpoint to go on from; a cell that had not begun has none."""
        path = self.file_of(self.how.resume, cell)
        return path if path is not None and (path.exists() or path == self.how.resume) else None

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
