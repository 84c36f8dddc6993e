"""From a configuration to a native VM: names become plugins, ratios and times become numbers, initiators become threads."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from minikvm.config import Topology, holes_of, ids_of, resolve_initiators, resolve_targets, starting_pcpus, topology_of
from minikvm.config.assembly import create, native_of, registry_of, request_of
from minikvm.config.loader import error_at
from minikvm.core.requests import KVM_REQUEST_NO_WAKEUP, KVM_REQUEST_WAIT, Request, RequestRegistry
from minikvm.core.vcpu import VcpuTable
from minikvm.live.core import NO_BIT, LiveCore
from minikvm.live.memory import set_probability

if TYPE_CHECKING:
    from minikvm.config.model import VMConfig
    from minikvm.plugins import Manager

NS_PER_US = 1000
LATE_NS = 300_000
BEAT_NS = 100_000_000
"""The longest that a thread sleeps in one piece, so that the watchdog sees it run; less where the watchdog is less patient."""
"""How long the wire holds an IPI that the late-ipi injector delays, unless the injector says otherwise."""


@dataclass(frozen=True)
class Thread:
    """A thread that the VM is to start: its number in the native VM, what it is, and a name for people."""

    number: int
    what: str
    name: str


@dataclass
class Built:
    """A native VM and what its Python half needs to know of it."""

    core: LiveCore
    registry: RequestRegistry
    topology: Topology
    vcpus: list[int]
    used: list[int]
    injectors: list[str]
    threads: list[Thread] = field(default_factory=list)
    initiators: list[Thread] = field(default_factory=list)
    kinds: dict[int, list[Request]] = field(default_factory=dict)
    """Kind number -> the requests of the workload that are counted under it."""
    calls_total: int | None = 0
    vcpu_thread: dict[int, int] = field(default_factory=dict)
    objects: list[Any] = field(default_factory=list)


def kind_of(request: Request) -> int:
    """The number under which a request is counted: its bit, or one for all requests that log no bit."""
    return request.nr if request.has_bit else NO_BIT


def spins(config: VMConfig, backend: Any) -> bool:
    """Does guest work burn the CPU? Decided by the file, else by what the back end can interrupt. ConfigError when it cannot."""
    can = backend.capabilities
    work = config.guest.work or ("sleep" if "interrupts-sleep" in can else "spin")
    if f"interrupts-{work}" not in can:
        other = "spin" if work == "sleep" else "sleep"
        hint = f"use guest.work: {other}, or another back end" if f"interrupts-{other}" in can else "use another back end"
        verb = "sleeps" if work == "sleep" else "spins"
        raise error_at(config, ("guest", "work"), f"work to suit the back end: {backend.name} cannot interrupt a guest that {verb}", hint)
    return work == "spin"


def check_needs(config: VMConfig, strategy: Any, backend: Any) -> None:
    """ConfigError when the strategy needs what the back end lacks."""
    missing = sorted(strategy.requires - backend.capabilities)
    if missing:
        raise error_at(config, ("backend", "name"), f"a back end that {' and '.join(missing)}: the strategy {strategy.name} needs it")


def make_injectors(config: VMConfig, manager: Manager) -> tuple[list[Any], list[Any]]:
    """Instances and capsules of the configuration's injectors, each with its probability."""
    objects, capsules = [], []
    for wanted in config.injectors:
        injector = create(manager, "injector", wanted)
        capsule = native_of(injector, "injector")
        if wanted.probability is not None:
            set_probability(capsule, wanted.probability)
        objects.append(injector)
        capsules.append(capsule)
    return objects, capsules


def beat_ns(config: VMConfig) -> int:
    """A quarter of what the watchdog waits for, between 5 and 100 ms."""
    return min(BEAT_NS, max(BEAT_NS // 20, ns(config.watchdog.suspect_ms * 1e3) // 4))


def ns(us: float) -> int:
    """Microseconds of the configuration as nanoseconds; 0 stands for "for ever"."""
    return 0 if math.isinf(us) else max(1, round(us * NS_PER_US))


def build(config: VMConfig, manager: Manager) -> Built:
    """Everything but the running threads. Raises PluginError and ConfigError."""
    registry = registry_of(config, manager)
    topology = topology_of(config)
    holes = holes_of(config.vm)
    starts = starting_pcpus(config, topology)
    vcpus = [i for i in range(config.vm.vcpus) if i not in holes]
    used = sorted({starts[i] for i in vcpus}) if config.placement.overcommit is not None else list(range(topology.nr_pcpus))
    strategy, backend, loop = (create(manager, kind, getattr(config, kind)) for kind in ("strategy", "backend", "loop"))
    engine = manager.create("engine", config.vm.engine)
    check_needs(config, strategy, backend)
    spin = spins(config, backend)
    injectors, capsules = make_injectors(config, manager)
    at = next((i for i, injector in enumerate(injectors) if getattr(injector.options, "when", None) == "start"), None)
    if at is not None:
        raise error_at(config, ("injectors", at, "name"), "memory for the kick masks (ENOMEM: the VM cannot be created)")
    table = VcpuTable(
        config.vm.vcpus, topology.nr_pcpus, ids=ids_of(config.vm), holes=sorted(holes), cluster_of=topology.cluster_of,
        node_of=topology.node_of, apic_of=topology.apic_id_of,
    )
    table.use_requests(registry)
    sources = [resolve_initiators(line, config.vm.vcpus, topology.nr_pcpus, holes) for line in config.workload]
    guest = config.guest
    core = LiveCore(
        table, strategy=native_of(strategy, "strategy"), loop=native_of(loop, "loop"),
        backend=native_of(backend, "backend"), engine=native_of(engine, "engine"), injectors=capsules, spin=spin, used=used,
        max_threads=len(vcpus) + sum(map(len, sources)) + 1, max_lines=sum(map(len, sources)),
        guest=(ns(guest.enter_us), guest.jitter, guest.halt_ratio, ns(guest.halt_us), guest.walk_ratio, ns(guest.walk_us),
               guest.fastpath_ratio),
        migrate=config.placement.migrate, slice_ns=ns(config.placement.timeslice_us), late_ns=LATE_NS,
        wire=any("ipi.send" in injector.points for injector in injectors), seed=config.seed, beat_ns=beat_ns(config),
    )
    built = Built(core, registry, topology, vcpus, used, [injector.name for injector in injectors])
    built.objects = [strategy, backend, loop, engine, *injectors, *capsules]
    add_threads(built, config, sources, starts, holes)
    return built


def add_threads(built: Built, config: VMConfig, sources: list[Any], starts: tuple[int, ...], holes: frozenset[int]) -> None:
    """A thread for each vCPU and for each initiator that is none, with the lines that it calls; the wire for late IPIs."""
    core = built.core
    of_vcpu: dict[int, list[int]] = {}
    others: dict[tuple[str, int, int], list[int]] = {}
    wake_mask = 0
    for line, initiators in zip(config.workload, sources, strict=True):
        request = request_of(line, built.registry)
        built.kinds.setdefault(kind_of(request), [])
        if request not in built.kinds[kind_of(request)]:
            built.kinds[kind_of(request)].append(request)
        if not request.flags & KVM_REQUEST_NO_WAKEUP:
            wake_mask |= request.bit
        targets = resolve_targets(line, config.vm.vcpus, holes)
        count = line.count
        built.calls_total = None if count is None or built.calls_total is None else built.calls_total + count * len(initiators)
        for n, initiator in enumerate(initiators):
            number = core.add_line(
                request.value, kind_of(request), None if line.targets == "all" else sorted(targets.candidates), targets.pick or 0,
                bool(request.flags & KVM_REQUEST_WAIT), request.gate,
                round(line.every * NS_PER_US), round(line.hold * NS_PER_US), count,
            )
            if initiator.kind == "vcpu":
                of_vcpu.setdefault(initiator.index, []).append(number)
            else:
                others.setdefault((initiator.kind, initiator.index, n), []).append(number)
    core.add_wake_mask(wake_mask)
    for idx in built.vcpus:
        number = core.add_vcpu(idx, starts[idx], idx in (config.placement.pins or {}), of_vcpu.get(idx, []), config.seed)
        built.vcpu_thread[idx] = number
        built.threads.append(Thread(number, "vcpu", f"vcpu {idx}"))
    for (kind, pcpu, n), lines in sorted(others.items()):
        name = f"{'interrupt' if kind == 'irq' else 'task'} {n} on pcpu {pcpu}"
        number = core.add_initiator(name, kind == "irq", pcpu, lines, config.seed)
        built.initiators.append(Thread(number, "irq" if kind == "irq" else "task", name))
    if core.has_wire:
        built.threads.append(Thread(core.add_wire(), "wire", "wire"))
