"""Which pCPU each vCPU starts on. Pure functions: the same arguments give the same answer."""

from __future__ import annotations

import heapq
import math
import random
from collections.abc import Collection, Mapping

from minikvm.config.host import Topology, discover
from minikvm.config.model import Host, VMConfig
from minikvm.config.targets import holes_of


def pcpus_used(vcpus: int, nr_pcpus: int, overcommit: float | None) -> int:
    """How many of the host's pCPUs the VM uses, the slots 0 to that number - 1: ceil(vcpus / overcommit), or all for None.

    Raises ValueError when the host has fewer.
    """
    used = nr_pcpus if overcommit is None else math.ceil(vcpus / overcommit)
    if used > nr_pcpus:
        raise ValueError(f"{vcpus} vCPUs with an overcommit of {overcommit:g} need {used} pCPUs, the host has {nr_pcpus}")
    return used


def spread_order(topology: Topology, used: int) -> list[int]:
    """The slots 0..used-1: round the NUMA nodes, in each node round its cores, and a core's second thread after all first ones."""
    by_node: dict[int, list[int]] = {}
    for slot in sorted(range(used), key=lambda slot: (topology.thread_of[slot], topology.core_of[slot])):
        by_node.setdefault(topology.node_of[slot], []).append(slot)
    nodes = [by_node[node] for node in sorted(by_node)]
    return [slots[turn] for turn in range(max(map(len, nodes))) for slots in nodes if turn < len(slots)]


def pack_order(topology: Topology, used: int) -> list[int]:
    """The slots 0..used-1: node by node, socket by socket, core by core, siblings together."""
    key = zip(topology.node_of, topology.socket_of, topology.core_of, topology.thread_of, range(topology.nr_pcpus), strict=True)
    return [slot for *_, slot in sorted(key) if slot < used]


def place(
    policy: str,
    vcpus: int,
    topology: Topology,
    *,
    overcommit: float | None = None,
    pins: Mapping[int, int] | None = None,
    holes: Collection[int] = (),
    seed: int = 1,
) -> tuple[int, ...]:
    """The first pCPU of each vCPU, by index; -1 for a hole.

    Pins come first and count as load. ``spread`` and ``random`` give each next vCPU the least loaded pCPU, ties in spread_order or in an
    order drawn from the seed. ``pack`` fills each pCPU of pack_order with ceil(vCPUs / pCPUs) before it takes the next.
    No pCPU has more than that, unless pins put it there. Raises ValueError for an unknown policy, a pin out of range, too few pCPUs.
    """
    present = [vcpu for vcpu in range(vcpus) if vcpu not in frozenset(holes)]
    used = pcpus_used(vcpus, topology.nr_pcpus, overcommit)
    fixed = dict(pins or {})
    for vcpu, pcpu in fixed.items():
        if not (0 <= vcpu < vcpus and 0 <= pcpu < used):
            raise ValueError(f"the pin {vcpu}: {pcpu} is out of range: vCPUs 0..{vcpus - 1}, pCPUs 0..{used - 1}")
    if policy == "spread":
        order = spread_order(topology, used)
    elif policy == "pack":
        order = pack_order(topology, used)
    elif policy == "random":
        order = random.Random(seed).sample(range(used), used)
    else:
        raise ValueError(f"no such policy: {policy}")
    load = [0] * used
    for pcpu in fixed.values():
        load[pcpu] += 1
    capacity = math.ceil(len(present) / used)
    chosen = [-1] * vcpus
    queue = [(load[pcpu], rank, pcpu) for rank, pcpu in enumerate(order)]
    heapq.heapify(queue)
    filling = iter(order)
    current = next(filling)
    for vcpu in present:
        if vcpu in fixed:
            chosen[vcpu] = fixed[vcpu]
        elif policy == "pack":
            while load[current] >= capacity:
                current = next(filling)
            chosen[vcpu] = current
            load[current] += 1
        else:
            tasks, rank, chosen[vcpu] = queue[0]
            heapq.heapreplace(queue, (tasks + 1, rank, chosen[vcpu]))
    return tuple(chosen)


def topology_of(config: VMConfig) -> Topology:
    """The host of the configuration: made up from its counts, or this machine's own for ``auto``."""
    host = config.host
    return Topology.from_counts(host.sockets, host.cores, host.threads, host.nodes) if isinstance(host, Host) else discover()


def starting_pcpus(config: VMConfig, topology: Topology) -> tuple[int, ...]:
    """``place`` with the arguments that the configuration gives. Raises ValueError when it does not fit the topology."""
    wanted = config.placement
    holes = holes_of(config.vm)
    return place(wanted.policy, config.vm.vcpus, topology, overcommit=wanted.overcommit, pins=wanted.pins, holes=holes, seed=config.seed)
