"""The registry of request ids."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest

from minikvm.core.requests import (
    KVM_REQUEST_MASK,
    KVM_REQUEST_NO_ACTION,
    KVM_REQUEST_NO_WAKEUP,
    KVM_REQUEST_WAIT,
    Request,
    RequestRegistry,
    flags_of,
)

WN = KVM_REQUEST_WAIT | KVM_REQUEST_NO_WAKEUP
# arch/x86/include/asm/kvm_host.h and include/linux/kvm_host.h, v6.18, written down a second time
WAITING = {
    "TLB_FLUSH": 0, "VM_DEAD": 1, "MCLOCK_INPROGRESS": 22, "SCAN_IOAPIC": 23, "APIC_PAGE_RELOAD": 25, "APICV_UPDATE": 33,
    "TLB_FLUSH_GUEST": 35, "UPDATE_CPU_DIRTY_LOGGING": 38, "MMU_FREE_OBSOLETE_ROOTS": 39, "HV_TLB_FLUSH": 40,
}  # fmt: skip
PLAIN = {
    "UNBLOCK": 2, "DIRTY_RING_SOFT_FULL": 3, "MIGRATE_TIMER": 8, "REPORT_TPR_ACCESS": 9, "TRIPLE_FAULT": 10, "MMU_SYNC": 11,
    "CLOCK_UPDATE": 12, "LOAD_MMU_PGD": 13, "EVENT": 14, "APF_HALT": 15, "STEAL_UPDATE": 16, "NMI": 17, "PMU": 18, "PMI": 19, "SMI": 20,
    "MASTERCLOCK_UPDATE": 21, "GLOBAL_CLOCK_UPDATE": 24, "HV_CRASH": 26, "IOAPIC_EOI_EXIT": 27, "HV_RESET": 28, "HV_EXIT": 29,
    "HV_STIMER": 30, "LOAD_EOI_EXITMAP": 31, "GET_NESTED_STATE_PAGES": 32, "TLB_FLUSH_CURRENT": 34, "APF_READY": 36,
    "RECALC_INTERCEPTS": 37,
}  # fmt: skip


@pytest.fixture
def own() -> RequestRegistry:
    """A registry to add to."""
    return RequestRegistry()


def test_the_flags_are_the_kernels() -> None:
    assert (KVM_REQUEST_MASK, KVM_REQUEST_NO_WAKEUP, KVM_REQUEST_WAIT, KVM_REQUEST_NO_ACTION) == (0xFF, 1 << 8, 1 << 9, 1 << 10)


@pytest.mark.parametrize(("name", "nr"), [*WAITING.items(), *PLAIN.items()])
def test_a_request_has_the_kernels_bit_and_flags(registry: RequestRegistry, name: str, nr: int) -> None:
    request = registry[name]
    assert (request.nr, request.flags) == (nr, WN if name in WAITING else 0)


def test_the_table_has_no_other_request(registry: RequestRegistry) -> None:
    assert set(registry.names()) == {*WAITING, *PLAIN, "OUTSIDE_GUEST_MODE"}


def test_outside_guest_mode_waits_and_logs_no_bit(registry: RequestRegistry) -> None:
    request = registry["OUTSIDE_GUEST_MODE"]
    assert (request.flags, request.has_bit, request.bit) == (WN | KVM_REQUEST_NO_ACTION, False, 0)


def test_the_master_clock_is_the_only_gate(registry: RequestRegistry) -> None:
    assert (registry.gate_mask, registry.describe(registry.gate_mask)) == (1 << 22, ["MCLOCK_INPROGRESS"])


def test_a_dead_vm_is_the_only_sticky_request(registry: RequestRegistry) -> None:
    assert registry.describe(registry.sticky_mask) == ["VM_DEAD"]


def test_requests_without_no_wakeup_end_a_sleep(registry: RequestRegistry) -> None:
    assert registry.wake_mask == sum(1 << nr for nr in PLAIN.values())


def test_value_is_the_id_with_its_flags(registry: RequestRegistry) -> None:
    assert registry["SCAN_IOAPIC"].value == 23 | WN


def test_a_request_is_frozen(registry: RequestRegistry) -> None:
    with pytest.raises(dataclasses.FrozenInstanceError):
        registry["NMI"].nr = 3  # type: ignore[misc]


def test_a_name_is_found_with_and_without_its_prefix(registry: RequestRegistry) -> None:
    assert registry["KVM_REQ_NMI"] is registry["NMI"]


@pytest.mark.parametrize("asked", ["TLB_FLUHS", "tlb_flush", "KVM_REQ_TLBFLUSH"])
def test_an_unknown_name_is_answered_with_the_closest(registry: RequestRegistry, asked: str) -> None:
    with pytest.raises(ValueError, match=f"unknown request '{asked}': did you mean .*TLB_FLUSH"):
        registry[asked]


def test_a_name_like_no_other_is_answered_with_all(registry: RequestRegistry) -> None:
    with pytest.raises(ValueError, match=r"unknown request '%': expected one of TLB_FLUSH, .*HV_TLB_FLUSH"):
        registry["%"]


def test_but_changes_only_the_flags_that_it_is_given(registry: RequestRegistry) -> None:
    assert registry["TLB_FLUSH"].but(wait=False) == Request("TLB_FLUSH", 0, KVM_REQUEST_NO_WAKEUP)


def test_but_sets_a_flag(registry: RequestRegistry) -> None:
    assert registry["NMI"].but(wait=True, no_action=True).flags == KVM_REQUEST_WAIT | KVM_REQUEST_NO_ACTION


def test_but_keeps_gate_and_sticky(registry: RequestRegistry) -> None:
    assert (registry["MCLOCK_INPROGRESS"].but(wait=False).gate, registry["VM_DEAD"].but(wait=False).sticky) == (True, True)


def test_an_own_request_is_found_by_name_and_bit(own: RequestRegistry) -> None:
    request = own.register("MY_DOORBELL", 50, ["wait"], gate=True)
    assert own["KVM_REQ_MY_DOORBELL"] is own.by_bit(50) is request
    assert (request.flags, own.gate_mask >> 50 & 1) == (KVM_REQUEST_WAIT, 1)


def test_an_own_request_is_nobody_elses(own: RequestRegistry) -> None:
    own.register("MY_DOORBELL", 50)
    assert "MY_DOORBELL" not in RequestRegistry()


def test_requests_without_a_bit_may_share_an_id(own: RequestRegistry) -> None:
    own.register("KICK_ONLY", 14, KVM_REQUEST_NO_ACTION)
    assert own.by_bit(14) is own["EVENT"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("EVENT", 50), r"request EVENT \(id 50\): the name is taken by EVENT \(id 14\)"),
        (("MINE", 14), r"request MINE \(id 14\): the id is taken by EVENT"),
        (("MINE", 7), "request MINE: id 7: expected 8 to 63"),
        (("MINE", 64), "request MINE: id 64: expected 8 to 63"),
        (("MINE", "9"), "request MINE: id '9': expected an int from 8 to 63"),
        (("MINE", True), "request MINE: id True: expected an int from 8 to 63"),
        (("MINE", 50, 0x800), "request MINE: flags 0x800: expected WAIT, NO_WAKEUP and NO_ACTION only, 0x700"),
        (("MINE", 50, ["wiat"]), "request flag 'wiat': expected one of wait, no_wakeup, no_action"),
        (("MINE", 50, 0, True, True), "request MINE: a gate is cleared by its requester, .*"),
        (("MINE", 50, ["no_action"], True), "request MINE: with no_action there is no bit .*"),
        (("not a name", 50), "request name 'not a name': expected letters, digits and underscores"),
    ],
)
def test_a_bad_registration_is_one_clear_error(own: RequestRegistry, arguments: tuple[Any, ...], message: str) -> None:
    with pytest.raises(ValueError, match=f"^{message}$"):
        own.register(*arguments)


def test_a_refused_registration_leaves_no_trace(own: RequestRegistry) -> None:
    with pytest.raises(ValueError, match="taken"):
        own.register("MINE", 14)
    assert ("MINE" in own, own.names()) == (False, RequestRegistry().names())


def test_describe_shows_an_unknown_bit_as_its_number(registry: RequestRegistry) -> None:
    assert registry.describe(1 << 14 | 1 << 63) == ["EVENT", "63"]


def test_flags_of_joins_names() -> None:
    assert flags_of(["wait", "no_action"]) == KVM_REQUEST_WAIT | KVM_REQUEST_NO_ACTION
