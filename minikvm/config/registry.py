"""Where the loader takes names from. config stands below the plugins, so the caller hands them over."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol, runtime_checkable

from pydantic import BaseModel


class Registry(Protocol):
    """The names that plugins provide.

    Kinds: "request", "strategy", "backend", "injector", "loop", "engine", "model".
    """

    def names(self, kind: str) -> Sequence[str]:
        """Every name of the kind."""
        ...

    def options_model(self, kind: str, name: str) -> type[BaseModel] | None:
        """The model of a plugin's options; None when it takes none."""
        ...


@runtime_checkable
class RequestTraits(Protocol):
    """What a Registry may also know: the flags of a request."""

    def request_traits(self, name: str) -> frozenset[str]:
        """Some of "wait", "no_wakeup", "no_action", "gate", "sticky". The name has no prefix."""
        ...


_WAITING = (
    *("TLB_FLUSH", "VM_DEAD", "OUTSIDE_GUEST_MODE", "MCLOCK_INPROGRESS", "SCAN_IOAPIC", "APIC_PAGE_RELOAD", "APICV_UPDATE"),
    *("TLB_FLUSH_GUEST", "UPDATE_CPU_DIRTY_LOGGING", "MMU_FREE_OBSOLETE_ROOTS", "HV_TLB_FLUSH"),
)  # fmt: skip
_QUIET = (
    *("UNBLOCK", "DIRTY_RING_SOFT_FULL", "MIGRATE_TIMER", "MMU_SYNC", "CLOCK_UPDATE", "LOAD_MMU_PGD", "EVENT", "STEAL_UPDATE"),
    *("NMI", "PMU", "PMI", "SMI", "MASTERCLOCK_UPDATE", "GLOBAL_CLOCK_UPDATE", "LOAD_EOI_EXITMAP", "TLB_FLUSH_CURRENT"),
)  # fmt: skip

KVM_TRAITS: dict[str, frozenset[str]] = {name: frozenset() for name in _QUIET} | {
    name: frozenset({"wait", "no_wakeup"}) for name in _WAITING
}
"""Flags of x86 requests in Linux 6.18 (include/linux/kvm_host.h, arch/x86/include/asm/kvm_host.h), for files read without plugins."""
KVM_TRAITS["MCLOCK_INPROGRESS"] |= {"gate"}
KVM_TRAITS["OUTSIDE_GUEST_MODE"] |= {"no_action"}
KVM_TRAITS["VM_DEAD"] |= {"sticky"}


def traits_of(name: str, registry: Registry | None) -> frozenset[str] | None:
    """The flags of a request that no file defines; None when nobody knows it."""
    if isinstance(registry, RequestTraits) and name in bare_names(registry):
        return registry.request_traits(name)
    return KVM_TRAITS.get(name)


def bare_names(registry: Registry) -> list[str]:
    """The registry's request names without KVM_REQ_."""
    return [name.removeprefix("KVM_REQ_") for name in registry.names("request")]
