"""Request ids that a plugin brings, and the flags of a request as a plugin sees them."""

from __future__ import annotations

import re
from dataclasses import dataclass

# A request is an id (bits 0-7) with flags above it, in the kernel's places (include/linux/kvm_host.h, Linux 6.18).
REQUEST_ID_MASK = 0xFF
REQUEST_NO_WAKEUP = 1 << 8
REQUEST_WAIT = 1 << 9
REQUEST_NO_ACTION = 1 << 10

MAX_NAME = 64


@dataclass(frozen=True)
class RequestDef:
    """A request id of a plugin's own. Ids 0-7 are the common ones, 8-40 x86's, the rest is free.

    wait, no_wakeup, no_action: the flags it has unless a call says otherwise. gate: the requester clears it itself, and no vCPU
    enters the guest while it is set. sticky: the vCPU tests it without clearing it.

    >>> RequestDef("MY_SCAN", 50, wait=True).id
    50
    >>> RequestDef("MY_SCAN", 7)
    Traceback (most recent call last):
    ValueError: request MY_SCAN has id 7: expected 8..63
    """

    name: str
    id: int
    wait: bool = False
    no_wakeup: bool = False
    no_action: bool = False
    gate: bool = False
    sticky: bool = False

    def __post_init__(self) -> None:
        if not isinstance(self.name, str) or not re.fullmatch(r"[A-Z][A-Z0-9_]*", self.name) or len(self.name) > MAX_NAME:
            raise ValueError(f"request name {self.name!r}: expected capitals, digits and underscores, such as MY_SCAN")
        if type(self.id) is not int or not 8 <= self.id <= 63:
            raise ValueError(f"request {self.name} has id {self.id!r}: expected 8..63")
        if self.gate and self.sticky:
            raise ValueError(f"request {self.name} is a gate and sticky: a gate is cleared by its requester, a sticky one never")


_WAITING = frozenset({"wait", "no_wakeup"})
_PLAIN: frozenset[str] = frozenset()

KVM_REQUESTS: dict[str, tuple[int, frozenset[str]]] = {
    "TLB_FLUSH": (0, _WAITING),
    "OUTSIDE_GUEST_MODE": (0, _WAITING | {"no_action"}),
    "VM_DEAD": (1, _WAITING | {"sticky"}),
    "UNBLOCK": (2, _PLAIN),
    "DIRTY_RING_SOFT_FULL": (3, _PLAIN),
    "MIGRATE_TIMER": (8, _PLAIN),
    "MMU_SYNC": (11, _PLAIN),
    "CLOCK_UPDATE": (12, _PLAIN),
    "LOAD_MMU_PGD": (13, _PLAIN),
    "EVENT": (14, _PLAIN),
    "STEAL_UPDATE": (16, _PLAIN),
    "NMI": (17, _PLAIN),
    "PMU": (18, _PLAIN),
    "PMI": (19, _PLAIN),
    "SMI": (20, _PLAIN),
    "MASTERCLOCK_UPDATE": (21, _PLAIN),
    "MCLOCK_INPROGRESS": (22, _WAITING | {"gate"}),
    "SCAN_IOAPIC": (23, _WAITING),
    "GLOBAL_CLOCK_UPDATE": (24, _PLAIN),
    "APIC_PAGE_RELOAD": (25, _WAITING),
    "LOAD_EOI_EXITMAP": (31, _PLAIN),
    "APICV_UPDATE": (33, _WAITING),
    "TLB_FLUSH_CURRENT": (34, _PLAIN),
    "TLB_FLUSH_GUEST": (35, _WAITING),
    "UPDATE_CPU_DIRTY_LOGGING": (38, _WAITING),
    "MMU_FREE_OBSOLETE_ROOTS": (39, _WAITING),
    "HV_TLB_FLUSH": (40, _WAITING),
}
"""The requests of x86 that a workload may name: name -> (id, traits), as in include/linux/kvm_host.h and
arch/x86/include/asm/kvm_host.h, Linux 6.18 (the architecture's begin at 8). OUTSIDE_GUEST_MODE logs no bit, its id means nothing."""


def traits_of(definition: RequestDef) -> frozenset[str]:
    """The flags and the nature of a request, as words."""
    return frozenset(word for word in ("wait", "no_wakeup", "no_action", "gate", "sticky") if getattr(definition, word))
