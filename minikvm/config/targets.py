"""A workload line's targets and initiators as indexes."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from minikvm.config.fields import MAX_VCPU_ID
from minikvm.config.listformat import parse_list, parse_set
from minikvm.config.model import VM
from minikvm.config.workload import ExceptTargets, Initiator, RandomTargets, WorkloadLine


@dataclass(frozen=True)
class TargetSet:
    """The vCPU indexes that a line may ask. ``pick``: each call draws so many different ones of them; None: it asks them all.

    The drawing itself is the runner's: it happens once a call, in compiled code, from the line's own random stream.
    """

    candidates: frozenset[int]
    pick: int | None = None


def holes_of(vm: VM) -> frozenset[int]:
    """Indexes of the table that stay empty."""
    return frozenset(parse_list(vm.holes, vm.vcpus)) if vm.holes is not None else frozenset()


def ids_of(vm: VM) -> tuple[int, ...]:
    """The id of each index of the table, holes included."""
    return parse_list(vm.ids, MAX_VCPU_ID + 1) if vm.ids is not None else tuple(range(vm.vcpus))


def resolve_targets(line: WorkloadLine, nr_vcpus: int, holes: Iterable[int] = ()) -> TargetSet:
    """The line's targets in a table of ``nr_vcpus`` slots.

    Holes are nobody's target: ``all``, ``except`` and ``random`` leave them out, and a bit that a text sets for one is dropped, as
    the kernel drops it. Raises ValueError for an index out of range, a listed hole, and an empty set.
    """
    present = frozenset(range(nr_vcpus)) - frozenset(holes)
    targets = line.targets
    pick: int | None = None
    if isinstance(targets, RandomTargets):
        candidates, pick = present, targets.random
        if pick > len(present):
            raise ValueError(f"{pick} random vCPUs of {len(present)}")
    elif isinstance(targets, ExceptTargets):
        left_out = parse_set(targets.but, nr_vcpus) if isinstance(targets.but, str) else targets.but
        candidates = present - frozenset(left_out)
    elif targets == "all":
        candidates = present
    elif isinstance(targets, str):
        candidates = frozenset(parse_set(targets, nr_vcpus)) & present
    else:
        candidates = frozenset(targets)
        if candidates - present:
            raise ValueError(f"no such vCPU: {min(candidates - present)}")
    if not candidates:
        raise ValueError("no vCPU is left")
    return TargetSet(candidates, pick)


def resolve_initiators(line: WorkloadLine, nr_vcpus: int, nr_pcpus: int, holes: Iterable[int] = ()) -> tuple[Initiator, ...]:
    """Every initiator of the line: each of ``from``, and the ``initiators - 1`` that follow it, round and round, holes left out.

    Raises ValueError when one stands out of range.
    """
    empty = frozenset(holes)
    slots = {
        "vcpu": [index for index in range(nr_vcpus) if index not in empty],
        "pcpu": list(range(nr_pcpus)),
        "irq": list(range(nr_pcpus)),
    }
    found: list[Initiator] = []
    for first in line.sources:
        ring = slots[first.kind]
        at = ring.index(first.index)
        found += [Initiator.model_validate({first.kind: ring[(at + step) % len(ring)]}) for step in range(line.initiators)]
    return tuple(found)
