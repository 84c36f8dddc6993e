"""What of a configuration is checked: the file's VM cut down to a few vCPUs, entries and calls."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from minikvm.config import resolve_targets
from minikvm.config.assembly import create, registry_of, request_of
from minikvm.config.loader import error_at
from minikvm.core.requests import KVM_REQUEST_NO_ACTION, KVM_REQUEST_NO_WAKEUP, KVM_REQUEST_WAIT, RequestRegistry
from minikvm.properties import PROPERTIES

if TYPE_CHECKING:
    from minikvm.config.model import VMConfig
    from minikvm.config.workload import Initiator, WorkloadLine
    from minikvm.plugins import Manager

MAX_THREADS = 32
MAX_CALLS = 32


class ScopeError(ValueError):
    """The scene does not fit the checker: too many IPIs in one execution, too many words of a plugin's own."""

    exit_code = 2


class UndeclaredUseError(RuntimeError):
    """A plugin does what a check must know beforehand (kinds.USES). Two arguments: the word for it, and the injector's name or ""."""


@dataclass(frozen=True)
class Call:
    """One call that an initiator makes."""

    request: int
    name: str
    targets: frozenset[int]
    pick: int
    initiator: int
    waits: bool
    gate: bool
    frees: bool
    all: bool

    def text(self) -> str:
        """For people: "TLB_FLUSH of 0,1, wait"."""
        who = f"{self.pick} of " if self.pick else "of "
        return f"{self.name} {who}{','.join(map(str, sorted(self.targets)))}{', wait' if self.waits else ''}"


@dataclass(frozen=True)
class Actor:
    """A thread of the scene. ``kind``: vcpu, task or irq; ``place``: its vCPU, or its pCPU; ``calls``: indexes into the scope's."""

    kind: str
    place: int
    name: str
    home: int
    calls: tuple[int, ...]


@dataclass
class Scope:
    """The scene that is explored."""

    vcpus: int
    pcpus: int
    all_pcpus: int
    entries: int
    faults: int
    actors: list[Actor]
    calls: list[Call]
    leaves: bool
    fastpath: bool
    halts: int
    naps: bool
    walks: int
    properties: tuple[str, ...]
    models: tuple[str, ...]
    shared: frozenset[int]
    registry: RequestRegistry
    injectors: list[str]
    wake_mask: int
    moves: int = 0
    membarrier: bool = False
    notes: list[str] = field(default_factory=list)

    def counts(self) -> dict[str, int]:
        """The bounds, for the schedule file."""
        calls = max((len(a.calls) for a in self.actors), default=0)
        return {"vcpus": self.vcpus, "pcpus": self.pcpus, "entries": self.entries, "calls": calls, "faults": self.faults}

    def as_dict(self) -> dict[str, Any]:
        """For the verdict."""
        who = [f"{a.name}: {'; '.join(self.calls[i].text() for i in a.calls)}" for a in self.actors if a.calls]
        return {**self.counts(), "initiators": who}

    def judged(self) -> frozenset[str]:
        """The properties that are asked for, and that the scene has something to judge by."""
        possible = {"P1", "P5", "P6", "P7", "P8", "P9", "P10"}
        if any(call.waits for call in self.calls):
            possible.add("P2")
        if self.halts:
            possible.add("P3")
        if any(call.frees for call in self.calls):
            possible.add("P4")
        return frozenset(possible.intersection(self.properties))


def choices(ratio: float) -> int:
    """A probability as a bound of what is explored: 0 never, 1 always, 2 either."""
    return 0 if ratio == 0 else 1 if ratio == 1 else 2


def lines_of(config: VMConfig, registry: RequestRegistry, vcpus: int) -> list[tuple[WorkloadLine, Initiator, dict[str, Any]]]:
    """What each initiator of each line does, with its targets cut down to the vCPUs that there are."""
    found = []
    for line in config.workload:
        request = request_of(line, registry)
        targets = resolve_targets(line, config.vm.vcpus)
        inside = frozenset(i % vcpus for i in targets.candidates)
        pick = 0 if targets.pick is None or targets.pick >= len(inside) else targets.pick
        waits = bool(request.flags & KVM_REQUEST_WAIT)
        # A walk knows by the bit that a page is no longer linked: there has to be one, and a gate's is gone when the page is freed.
        frees = waits and config.guest.walk_ratio > 0 and not request.gate and not request.flags & KVM_REQUEST_NO_ACTION
        what = {
            "request": request.value, "name": line.request.removeprefix("KVM_REQ_"), "targets": inside, "pick": pick, "waits": waits,
            "gate": request.gate, "frees": frees, "all": line.targets == "all",
        }  # fmt: skip
        found += [(line, source, what) for source in line.sources]
    return found[: config.check.initiators]


def scope_of(config: VMConfig, manager: Manager) -> Scope:
    """The scope of a configuration's ``check:`` part. ConfigError for one that is too large to be a scene."""
    check, guest = config.check, config.guest
    registry = registry_of(config, manager)
    vcpus = min(check.vcpus, config.vm.vcpus)
    pcpus = check.pcpus
    calls: list[Call] = []
    own: dict[int, list[int]] = {}
    others: list[tuple[str, int, list[int]]] = []
    wake_mask = 0
    shared: set[int] = set()
    own_pcpu = pcpus
    for number, (line, source, what) in enumerate(lines_of(config, registry, vcpus)):
        n = min(check.calls, line.count if line.count is not None else check.calls)
        mine = list(range(len(calls), len(calls) + n))
        calls += [Call(initiator=number, **what) for _ in mine]
        if not what["request"] & KVM_REQUEST_NO_WAKEUP:
            wake_mask |= 0 if what["request"] & KVM_REQUEST_NO_ACTION else 1 << (what["request"] & 0xFF)
        if source.kind == "vcpu":
            own.setdefault(source.index % vcpus, []).extend(mine)
        elif source.kind == "irq":
            others.append(("irq", source.index % pcpus, mine))
        elif check.tasks == "shared":
            others.append(("task", source.index % pcpus, mine))
        else:
            others.append(("task", own_pcpu, mine))
            own_pcpu += 1
    homes = [v % pcpus for v in range(vcpus)]
    holders: dict[int, int] = {}
    for home in [*homes, *(place for kind, place, _ in others if kind == "task")]:
        holders[home] = holders.get(home, 0) + 1
    shared |= {p for p, n in holders.items() if n > 1} | {place for kind, place, _ in others if kind == "irq"}
    uses = [create(manager, "injector", wanted).uses for wanted in config.injectors]
    moves = max((1 + ("walk" in words) for words in uses if "migrate" in words), default=0)
    if moves and (pcpus <= vcpus or check.faults > 1):
        shared |= set(range(min(vcpus, pcpus - 1), pcpus)) if pcpus > vcpus else set(range(pcpus))
    actors = [Actor("vcpu", v, f"vCPU {v}", homes[v], tuple(own.get(v, ()))) for v in range(vcpus)]
    for kind, place, mine in others:
        actors.append(Actor(kind, place, f"{'task' if kind == 'task' else 'interrupt'} on pCPU {place}", place, tuple(mine)))
    if len(actors) > MAX_THREADS or len(calls) > MAX_CALLS:
        raise error_at(config, ("check",), f"at most {MAX_THREADS} threads and {MAX_CALLS} calls; these are {len(actors)} and {len(calls)}")
    return Scope(
        vcpus=vcpus, pcpus=pcpus, all_pcpus=own_pcpu, entries=check.entries, faults=check.faults, actors=actors, calls=calls,
        leaves=not math.isinf(guest.enter_us), fastpath=guest.fastpath_ratio > 0, halts=choices(guest.halt_ratio),
        naps=not math.isinf(guest.halt_us), walks=choices(guest.walk_ratio),
        properties=tuple(check.properties) or tuple(PROPERTIES), models=tuple(check.models), shared=frozenset(shared),
        registry=registry, injectors=[i.name for i in config.injectors], wake_mask=wake_mask, moves=moves,
    )  # fmt: skip
