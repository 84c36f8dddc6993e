"""The host's topology: this machine's own from /sys, or a made-up one from counts.

Source: Documentation/admin-guide/cputopology.rst and Documentation/ABI/stable/sysfs-devices-node of the Linux kernel.
"""

from __future__ import annotations

import os
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from pathlib import Path

from minikvm.config.fields import MAX_PCPUS
from minikvm.config.listformat import BadList, parse_list


@dataclass(frozen=True)
class Topology:
    """Where each pCPU slot lies. Every tuple has ``nr_pcpus`` elements, by slot; numbers are dense, from 0.

    ``core_of`` numbers the cores of the whole host, ``thread_of`` the threads within a core, ``cluster_of`` the groups that share a
    cache below the socket's (one a socket when unknown). ``apic_id_of`` is the x2APIC id. ``host_cpu_of`` is the host's own
    CPU number, and empty for a made-up topology.
    """

    nr_pcpus: int
    socket_of: tuple[int, ...]
    core_of: tuple[int, ...]
    thread_of: tuple[int, ...]
    node_of: tuple[int, ...]
    apic_id_of: tuple[int, ...]
    cluster_of: tuple[int, ...]
    host_cpu_of: tuple[int, ...] = ()

    def __post_init__(self) -> None:
        for name in ("socket_of", "core_of", "thread_of", "node_of", "apic_id_of", "cluster_of"):
            if len(getattr(self, name)) != self.nr_pcpus:
                raise ValueError(f"{name} has {len(getattr(self, name))} elements, expected {self.nr_pcpus}")
        if self.nr_pcpus < 1 or (self.host_cpu_of and len(self.host_cpu_of) != self.nr_pcpus):
            raise ValueError(f"host_cpu_of has {len(self.host_cpu_of)} elements, expected {self.nr_pcpus}, at least 1")

    @property
    def nr_nodes(self) -> int:
        """NUMA nodes."""
        return max(self.node_of) + 1

    @property
    def nr_sockets(self) -> int:
        """Sockets."""
        return max(self.socket_of) + 1

    @classmethod
    def from_counts(cls, sockets: int, cores: int, threads: int = 1, nodes: int | None = None) -> Topology:
        """``cores`` of a socket, ``threads`` of a core; the cores are cut into ``nodes`` runs of equal length (by one at most).

        Slot = (socket * cores + core) * threads + thread: siblings are neighbours. The x2APIC id packs thread, core and socket into bit
        fields of their own (Intel SDM volume 3, section 10.12.8), so that ids have gaps where a count is no power of two.
        Raises ValueError outside 1 <= pCPUs <= 4096, 1 <= nodes <= cores of the host.
        """
        nodes = sockets if nodes is None else nodes
        total = sockets * cores
        if min(sockets, cores, threads) < 1 or total * threads > MAX_PCPUS or not 1 <= nodes <= total:
            raise ValueError(f"no topology: {sockets} sockets, {cores} cores, {threads} threads, {nodes} nodes")
        thread_bits, core_bits = (threads - 1).bit_length(), (cores - 1).bit_length()
        slots = [(socket, core, thread) for socket in range(sockets) for core in range(cores) for thread in range(threads)]
        return cls(
            nr_pcpus=len(slots),
            socket_of=tuple(socket for socket, _, _ in slots),
            core_of=tuple(socket * cores + core for socket, core, _ in slots),
            thread_of=tuple(thread for _, _, thread in slots),
            node_of=tuple((socket * cores + core) * nodes // total for socket, core, _ in slots),
            apic_id_of=tuple(((socket << core_bits) | core) << thread_bits | thread for socket, core, thread in slots),
            cluster_of=tuple(socket for socket, _, _ in slots),
        )


def discover(root: str | Path = "/", allowed: Collection[int] | None = None) -> Topology:
    """This machine's topology: of the CPUs that are online and that this process may use.

    ``root`` stands before sys/ and proc/; ``allowed`` replaces the process's own affinity (which counts only for the root "/").
    What cannot be read is made up: no list of CPUs -> one socket of single-threaded cores, no package -> socket 0, no core id -> a core of
    its own, no node -> node 0, no APIC id -> the slot's number, no cluster -> the socket. Raises nothing for a broken tree.
    """
    base = Path(root)
    if allowed is None and base == Path("/"):
        allowed = os.sched_getaffinity(0)
    cpus_dir = base / "sys/devices/system/cpu"
    online = _list(cpus_dir / "online")
    usable = [cpu for cpu in online if allowed is None or cpu in allowed] or online
    if not usable:
        count = min(len(allowed) if allowed else os.cpu_count() or 1, MAX_PCPUS)
        return Topology.from_counts(1, count)
    usable = usable[:MAX_PCPUS]
    topology = {cpu: cpus_dir / f"cpu{cpu}" / "topology" for cpu in usable}
    package = {cpu: _number(topology[cpu] / "physical_package_id", 0) for cpu in usable}
    core = {cpu: (package[cpu], _number(topology[cpu] / "core_id", -1 - cpu)) for cpu in usable}
    cluster = {cpu: (package[cpu], _number(topology[cpu] / "cluster_id", -1)) for cpu in usable}
    nodes = _nodes(base / "sys/devices/system/node")
    apics = _apic_ids(base / "proc/cpuinfo")
    known_apics = all(cpu in apics for cpu in usable)
    seen: dict[tuple[int, int], int] = {}
    threads: list[int] = []
    for cpu in usable:
        threads.append(seen.get(core[cpu], 0))
        seen[core[cpu]] = threads[-1] + 1
    return Topology(
        nr_pcpus=len(usable),
        socket_of=_dense(package[cpu] for cpu in usable),
        core_of=_dense(core[cpu] for cpu in usable),
        thread_of=tuple(threads),
        node_of=_dense(nodes.get(cpu, 0) for cpu in usable),
        apic_id_of=tuple(apics[cpu] if known_apics else slot for slot, cpu in enumerate(usable)),
        cluster_of=_dense(cluster[cpu] for cpu in usable),
        host_cpu_of=tuple(usable),
    )


def _dense(keys: Iterable[object]) -> tuple[int, ...]:
    """Each key's number in the order of first appearance."""
    numbers: dict[object, int] = {}
    return tuple(numbers.setdefault(key, len(numbers)) for key in keys)


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="ascii", errors="replace").strip()
    except OSError:
        return ""


def _number(path: Path, default: int) -> int:
    """The number in the file; the default also for a negative one, which is how the kernel writes "unknown"."""
    try:
        value = int(_text(path))
    except ValueError:
        return default
    return value if value >= 0 else default


def _list(path: Path) -> tuple[int, ...]:
    try:
        return parse_list(_text(path), 1 << 16)
    except BadList:
        return ()


def _nodes(folder: Path) -> dict[int, int]:
    """CPU -> NUMA node."""
    try:
        names = sorted(entry.name for entry in folder.iterdir() if entry.name.startswith("node") and entry.name[4:].isdecimal())
    except OSError:
        return {}
    return {cpu: int(name[4:]) for name in names for cpu in _list(folder / name / "cpulist")}


def _apic_ids(cpuinfo: Path) -> dict[int, int]:
    """CPU -> APIC id; x86 only, other architectures have no such line."""
    found: dict[int, int] = {}
    cpu = -1
    for line in _text(cpuinfo).splitlines():
        key, _, value = line.partition(":")
        if value.strip().isdecimal():
            if key.strip() == "processor":
                cpu = int(value)
            elif key.strip() == "apicid":
                found[cpu] = int(value)
    return found
