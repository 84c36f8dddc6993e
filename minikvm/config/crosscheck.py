"""What no single value shows: whether the parts of a configuration fit each other, and whether the names in it exist.

Each check looks only at parts that are right by themselves, so that a file with a wrong part still gets the rest checked.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Iterable
from dataclasses import dataclass, field

from minikvm.config.fields import MAX_PCPUS, MAX_VCPU_ID
from minikvm.config.host import Topology
from minikvm.config.listformat import BadList, parse_list, parse_set
from minikvm.config.model import VM, Check, Host, OwnRequest, Placement, Plugin
from minikvm.config.problems import Path, Problem, did_you_mean, one_of, quoted
from minikvm.config.registry import KVM_TRAITS, LeavesOut, Registry, bare_names, traits_of
from minikvm.config.workload import ExceptTargets, RandomTargets, WorkloadLine
from minikvm.config.yamldoc import Document, show
from minikvm.kinds import is_c_file


@dataclass
class Parts:
    """The parts of a configuration that are right by themselves; None for the others."""

    vm: VM | None = None
    host: Host | str | None = None
    placement: Placement | None = None
    plugins: dict[Path, tuple[str, Plugin]] = field(default_factory=dict)
    requests: list[OwnRequest | None] = field(default_factory=list)
    workload: list[WorkloadLine | None] = field(default_factory=list)
    check: Check | None = None
    ends: bool = True
    """The file has a duration, or one that could not be read."""


class CrossCheck:
    """One pass over the parts; ``problems`` collects."""

    def __init__(self, doc: Document, parts: Parts, registry: Registry | None, topology: Topology | None) -> None:
        self.doc = doc
        self.parts = parts
        self.registry = registry
        self.topology = topology
        self.problems: list[Problem] = []
        self.holes: frozenset[int] = frozenset()
        self.nr_vcpus: int | None = None
        self.nr_pcpus: int | None = None

    def run(self) -> list[Problem]:
        """Every problem found, in no order."""
        self._vm()
        self._host()
        self._placement()
        self._requests()
        for at, line in enumerate(self.parts.workload):
            if line is not None:
                self._line(("workload", at), line)
        self._names()
        return self.problems

    def _bad(self, path: Path, expected: str, hint: str = "", value: str | None = None, *, key: bool = False) -> None:
        line, column = self.doc.key_place(path) if key else self.doc.place(path)
        shown = show(self.doc.node(path)) if value is None else value
        self.problems.append(Problem(self.doc.name, line, column, path, shown, expected, hint))

    def _vm(self) -> None:
        vm = self.parts.vm
        if vm is None:
            return
        self.nr_vcpus = vm.vcpus
        if vm.ids is not None and (count := len(parse_list(vm.ids, MAX_VCPU_ID + 1))) != vm.vcpus:
            self._bad(("vm", "ids"), f"{vm.vcpus} vCPU ids, as many as vcpus", f"these are {count}")
        if vm.holes is None:
            return
        try:
            holes = frozenset(parse_list(vm.holes, vm.vcpus))
        except BadList:
            self._bad(("vm", "holes"), f"vCPU indexes 0..{vm.vcpus - 1}")
            return
        if len(holes) == vm.vcpus:
            self._bad(("vm", "holes"), "at least one vCPU that is no hole")
        else:
            self.holes = holes

    def _host(self) -> None:
        host = self.parts.host
        if host == "auto":
            self.nr_pcpus = self.topology.nr_pcpus if self.topology is not None else None
        elif isinstance(host, Host):
            if host.pcpus > MAX_PCPUS:
                self._bad(("host",), f"sockets * cores * threads of at most {MAX_PCPUS}", value=f"{host.pcpus} pCPUs")
                return
            self.nr_pcpus = host.pcpus
            if host.nodes is not None and host.nodes > host.sockets * host.cores:
                self._bad(("host", "nodes"), f"at most {host.sockets * host.cores} nodes, one a core")

    def _placement(self) -> None:
        placement = self.parts.placement
        if placement is None:
            self.nr_pcpus = None  # how many of the host's are used is not known
            return
        if placement.overcommit is not None and self.nr_vcpus is not None:
            used = math.ceil(self.nr_vcpus / placement.overcommit)
            if self.nr_pcpus is not None and used > self.nr_pcpus:
                least = f"at least {self.nr_vcpus / self.nr_pcpus:.6g} for {self.nr_vcpus} vCPUs on {self.nr_pcpus} pCPUs"
                self._bad(("placement", "overcommit"), least)
            elif self.parts.host is not None:
                self.nr_pcpus = used
        elif placement.overcommit is not None:
            self.nr_pcpus = None
        for vcpu, pcpu in placement.pins.items():
            path: Path = ("placement", "pins", vcpu)
            if vcpu < 0 or (self.nr_vcpus is not None and vcpu >= self.nr_vcpus):
                self._bad(path, self._vcpu_text(), value=f"the key {vcpu}", key=True)
            elif vcpu in self.holes:
                self._bad(path, "a vCPU that is no hole", value=f"the key {vcpu}", key=True)
            if pcpu < 0 or pcpu >= (self.nr_pcpus or MAX_PCPUS):
                self._bad(path, self._pcpu_text())

    def _vcpu_text(self) -> str:
        return f"a vCPU index 0..{self.nr_vcpus - 1}" if self.nr_vcpus else "a vCPU index from 0"

    def _pcpu_text(self) -> str:
        return f"a pCPU 0..{(self.nr_pcpus or MAX_PCPUS) - 1}"

    def _requests(self) -> None:
        names: dict[str, int] = {}
        ids: dict[int, int] = {}
        taken = {*KVM_TRAITS, *(bare_names(self.registry) if self.registry is not None else ())}
        for at, request in enumerate(self.parts.requests):
            if request is None:
                continue
            if request.name in taken:
                self._bad(("requests", at, "name"), "a name that KVM or a plugin does not use")
            if request.name in names:
                self._bad(("requests", at, "name"), "each name once", f"requests[{names[request.name]}] has it")
            if request.id in ids:
                self._bad(("requests", at, "id"), "each id once", f"requests[{ids[request.id]}] has it")
            names.setdefault(request.name, at)
            ids.setdefault(request.id, at)

    def _traits(self, name: str) -> frozenset[str] | None:
        for request in self.parts.requests:
            if request is not None and request.name == name:
                extra = {trait for trait in ("gate", "sticky") if getattr(request, trait)}
                return frozenset({*request.flags, *extra})
        return traits_of(name, self.registry)

    def _line(self, path: Path, line: WorkloadLine) -> None:
        self._request(path, line)
        if line.count is None and not self.parts.ends:
            row, column = self.doc.place(path)
            wanted = "a count, or a duration for the whole file"
            self.problems.append(Problem(self.doc.name, row, column, path, "", wanted, fault="it never ends"))
        traits = self._traits(line.request)
        if line.hold and traits is not None and "gate" not in traits:
            self._bad((*path, "hold"), f"no hold: {line.request} is no entry gate", "MCLOCK_INPROGRESS is one")
        kept = (traits or frozenset()) & {"gate", "sticky"}
        if line.no_action and kept:
            what = "an entry gate" if "gate" in kept else "a request that stays"
            self._bad((*path, "no_action"), f"false or null: {line.request} is {what}, and that is its bit")
        self._sources(path, line, waits=line.wait if line.wait is not None else traits is not None and "wait" in traits)
        if self.nr_vcpus is not None:
            self._targets((*path, "targets"), line, frozenset(range(self.nr_vcpus)) - self.holes)

    def _request(self, path: Path, line: WorkloadLine) -> None:
        # A request of the file whose own entry is wrong may be the one that is meant.
        if self.registry is None or None in self.parts.requests:
            return
        names = [*bare_names(self.registry), *(request.name for request in self.parts.requests if request is not None)]
        if line.request not in names:
            self._bad((*path, "request"), "a known request", did_you_mean(line.request, names))

    def _sources(self, path: Path, line: WorkloadLine, *, waits: bool) -> None:
        listed = self.doc.node((*path, "from", 0)) is not None
        for at, source in enumerate(line.sources):
            where: Path = (*path, "from", at, source.kind) if listed else (*path, "from", source.kind)
            if source.kind == "vcpu":
                if self.nr_vcpus is not None and source.index >= self.nr_vcpus:
                    self._bad(where, self._vcpu_text())
                elif source.index in self.holes:
                    self._bad(where, "a vCPU that is no hole")
            elif self.nr_pcpus is not None and source.index >= self.nr_pcpus:
                self._bad(where, self._pcpu_text())
            elif source.kind == "irq" and waits:
                own = "" if line.wait else f"{line.request} waits by its own flags; wait: false stops that"
                self._bad(where, "pcpu or vcpu: an interrupt must not wait, it would deadlock (R25)", own, value=f"irq: {source.index}")
        threads = (self.nr_vcpus or 0) - len(self.holes)
        if self.nr_vcpus and line.initiators > threads and any(source.kind == "vcpu" for source in line.sources):
            self._bad((*path, "initiators"), f"at most {threads}, the vCPUs that there are")

    def _targets(self, path: Path, line: WorkloadLine, present: frozenset[int]) -> None:
        targets = line.targets
        if isinstance(targets, RandomTargets):
            if targets.random > len(present):
                self._bad((*path, "random"), f"a whole number 1..{len(present)}, the vCPUs that there are")
        elif isinstance(targets, ExceptTargets):
            left_out = self._indexes((*path, "except"), targets.but)
            if left_out is not None and not present - left_out:
                self._bad((*path, "except"), "at least one vCPU that is left")
        elif targets != "all":
            asked = self._indexes(path, targets)
            if isinstance(targets, tuple):
                for at, index in enumerate(targets):
                    if index in self.holes:
                        self._bad((*path, at), "a vCPU that is no hole")
            elif asked is not None and not asked & present:
                self._bad(path, "at least one vCPU that is no hole")

    def _indexes(self, path: Path, indexes: str | tuple[int, ...]) -> frozenset[int] | None:
        """The indexes, or None after noting those out of range."""
        assert self.nr_vcpus is not None
        if isinstance(indexes, str):
            try:
                return frozenset(parse_set(indexes, self.nr_vcpus))
            except BadList:
                self._bad(path, f"vCPU indexes 0..{self.nr_vcpus - 1}")
                return None
        wrong = [at for at, index in enumerate(indexes) if index >= self.nr_vcpus]
        for at in wrong:
            self._bad((*path, at), self._vcpu_text())
        return None if wrong else frozenset(indexes)

    def _names(self) -> None:
        if self.registry is None:
            return
        for path, (kind, plugin) in self.parts.plugins.items():
            where = (*path, "name") if self.doc.node((*path, "name")) is not None else path
            self._known(where, kind, plugin.name, self.registry.names(kind))
        if self.parts.vm is not None:
            self._known(("vm", "engine"), "engine", self.parts.vm.engine, self.registry.names("engine"))
        if self.parts.check is not None:
            built_in = {name for name in ("sc", "tso", "rc11", "lkmm") if not self._left_out("model", name)}
            models = built_in | {*self.registry.names("model")}
            for at, model in enumerate(self.parts.check.models):
                self._known(("check", "models", at), "model", model, sorted(models))

    def _known(self, path: Path, kind: str, name: str, names: Collection[str]) -> None:
        if name not in names and not is_c_file(name, kind):
            hint = f"left out by -p no:{name}" if self._left_out(kind, name) else did_you_mean(name, names)
            self._bad(path, _known_text(kind, names), hint, value=quoted(name)[1:-1])

    def _left_out(self, kind: str, name: str) -> bool:
        return isinstance(self.registry, LeavesOut) and self.registry.left_out(kind, name)


def _known_text(kind: str, names: Iterable[str]) -> str:
    words = {"backend": "a back end", "loop": "a run loop", "injector": "a race injector", "engine": "an engine", "model": "a memory model"}
    return f"{words.get(kind, f'a {kind}')}: {one_of(sorted(names))}"
