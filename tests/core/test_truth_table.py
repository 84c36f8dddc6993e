"""docs/protocol.md's truth table and the legs around it, on the native kick path."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import pytest

from minikvm.core.kickview import Kicked
from minikvm.core.requests import RequestRegistry
from minikvm.core.standalone import Standalone
from minikvm.core.vcpu import Mode

OUTSIDE, IN_GUEST, EXITING, READING = Mode


class Row(NamedTuple):
    """One row of the table."""

    mode: Mode
    wait: bool
    ipi: bool
    after: Mode


# (old mode, WAIT) -> (is an IPI sent?, mode after)
TRUTH = {
    (OUTSIDE, False): (False, OUTSIDE),
    (OUTSIDE, True): (False, OUTSIDE),
    (IN_GUEST, False): (True, EXITING),
    (IN_GUEST, True): (True, EXITING),
    (EXITING, False): (False, EXITING),
    (EXITING, True): (True, EXITING),
    (READING, False): (False, READING),
    (READING, True): (True, READING),
}
ROWS = [pytest.param(Row(*key, *value), id=f"{key[0].name}-{'WAIT' if key[1] else 'nowait'}") for key, value in TRUTH.items()]
Make = Callable[..., Standalone]


@pytest.fixture
def vm_with() -> Make:
    """A VM of one vCPU on pCPU 1, in a given state; the kicker is on pCPU 0."""

    def make(**state: int | bool) -> Standalone:
        vm = Standalone(1, 3, world=True)
        vm.set_vcpu(0, **{"cpu": 1, **state})  # type: ignore[arg-type]
        return vm

    return make


@pytest.mark.parametrize("row", ROWS)
def test_the_old_mode_and_wait_decide_whether_an_ipi_is_sent(vm_with: Make, registry: RequestRegistry, row: Row) -> None:
    vm = vm_with(mode=row.mode)
    assert vm.dispatch(registry["EVENT"].but(wait=row.wait)) is row.ipi
    assert [(list(sent.mask), sent.wait) for sent in vm.ipis] == ([([1], row.wait)] if row.ipi else [])


@pytest.mark.parametrize("row", ROWS)
def test_only_a_vcpu_in_the_guest_is_moved_to_exiting(vm_with: Make, registry: RequestRegistry, row: Row) -> None:
    vm = vm_with(mode=row.mode)
    vm.dispatch(registry["EVENT"].but(wait=row.wait))
    assert vm.state(0)[0] is row.after


@pytest.mark.parametrize("row", ROWS)
def test_the_bit_is_set_whatever_the_mode(vm_with: Make, registry: RequestRegistry, row: Row) -> None:
    vm = vm_with(mode=row.mode)
    vm.dispatch(registry["EVENT"].but(wait=row.wait))
    assert vm.state(0)[3] == 1 << 14


@pytest.mark.parametrize("row", ROWS)
def test_needs_ipi_follows_the_same_table(vm_with: Make, registry: RequestRegistry, row: Row) -> None:
    vm = vm_with(mode=row.mode)
    assert (vm.vm.needs_ipi(0, registry["EVENT"].but(wait=row.wait)), vm.state(0)[0]) == (row.ipi, row.after)


@pytest.mark.parametrize("mode", list(Mode))
def test_exiting_guest_mode_returns_the_old_mode(vm_with: Make, mode: Mode) -> None:
    assert vm_with(mode=mode).vm.exiting_guest_mode(0) is mode


@pytest.mark.parametrize("wait", [False, True])
def test_acknowledgements_are_awaited_only_with_wait(vm_with: Make, registry: RequestRegistry, wait: bool) -> None:
    vm = vm_with(mode=IN_GUEST)
    vm.dispatch(registry["EVENT"].but(wait=wait))
    assert ("call_wait" in [call.name for call in vm.calls]) is wait


# ---- the wake leg ----


@pytest.mark.parametrize("wait", [False, True])
@pytest.mark.parametrize("mode", list(Mode))
def test_a_woken_sleeper_gets_no_ipi_and_no_wait(vm_with: Make, registry: RequestRegistry, mode: Mode, wait: bool) -> None:
    vm = vm_with(mode=mode, wait=True)
    assert vm.dispatch(registry["EVENT"].but(wait=wait)) is False
    assert (vm.woken, [call.name for call in vm.calls]) == ([0], ["wake"])


def test_the_mode_of_a_woken_sleeper_is_not_touched(vm_with: Make, registry: RequestRegistry) -> None:
    vm = vm_with(mode=IN_GUEST, wait=True)
    vm.dispatch(registry["EVENT"].but(wait=True))
    assert [op for op in vm.ops if op.name in ("vcpu.mode", "vcpu.cpu")] == []


def test_a_woken_sleeper_has_its_bit(vm_with: Make, registry: RequestRegistry) -> None:
    vm = vm_with(wait=True)
    vm.dispatch(registry["EVENT"])
    assert vm.state(0) == (OUTSIDE, 1, False, 1 << 14)


def test_no_wakeup_leaves_a_sleeper_asleep(vm_with: Make, registry: RequestRegistry) -> None:
    vm = vm_with(wait=True)
    vm.dispatch(registry["EVENT"].but(no_wakeup=True))
    assert (vm.woken, vm.state(0)[2]) == ([], True)


def test_no_wakeup_does_not_even_look_for_a_sleeper(vm_with: Make, registry: RequestRegistry) -> None:
    vm = vm_with(wait=True)
    vm.dispatch(registry["EVENT"].but(no_wakeup=True))
    assert "vcpu.wait" not in [op.name for op in vm.ops]


@pytest.mark.parametrize("row", ROWS)
def test_no_wakeup_changes_nothing_in_the_table(vm_with: Make, registry: RequestRegistry, row: Row) -> None:
    vm = vm_with(mode=row.mode)
    assert (vm.dispatch(registry["EVENT"].but(wait=row.wait, no_wakeup=True)), vm.state(0)[0]) == (row.ipi, row.after)


def test_a_sleeper_that_another_kicker_woke_first_goes_on_to_the_mode(vm_with: Make, registry: RequestRegistry) -> None:
    vm = vm_with(mode=IN_GUEST, wait=True)

    def other_kicker(point: str, vcpu: int | None) -> None:
        if point == "kick.wake":
            vm.set_vcpu(0, wait=False)

    vm.recorder.at_point = other_kicker
    assert (vm.dispatch(registry["EVENT"]), vm.woken) == (True, [])


# ---- NO_ACTION, where the vCPU is, holes ----


def test_no_action_logs_no_bit(vm_with: Make, registry: RequestRegistry) -> None:
    vm = vm_with(mode=IN_GUEST)
    assert vm.dispatch(registry["OUTSIDE_GUEST_MODE"]) is True
    assert vm.state(0)[3] == 0


@pytest.mark.parametrize("row", ROWS)
def test_no_action_changes_nothing_else_in_the_table(vm_with: Make, registry: RequestRegistry, row: Row) -> None:
    vm = vm_with(mode=row.mode)
    assert (vm.dispatch(registry["EVENT"].but(wait=row.wait, no_action=True)), vm.state(0)[0]) == (row.ipi, row.after)


@pytest.mark.parametrize("wait", [False, True])
@pytest.mark.parametrize("cpu", [-1, 0], ids=["not loaded", "the current pCPU"])
def test_no_ipi_goes_to_no_pcpu_or_to_the_current_one(vm_with: Make, registry: RequestRegistry, cpu: int, wait: bool) -> None:
    vm = vm_with(mode=IN_GUEST, cpu=cpu)
    assert (vm.dispatch(registry["EVENT"].but(wait=wait)), vm.ipis) == (False, [])


def test_a_vcpu_on_the_current_pcpu_is_still_moved_to_exiting(vm_with: Make, registry: RequestRegistry) -> None:
    vm = vm_with(mode=IN_GUEST, cpu=0)
    vm.dispatch(registry["EVENT"])
    assert vm.state(0)[0] is EXITING


def test_holes_and_vcpus_outside_the_mask_are_left_alone(registry: RequestRegistry) -> None:
    vm = Standalone(130, 130, holes=[64, 129])
    for vcpu in vm.table:
        vm.set_vcpu(vcpu, mode=IN_GUEST, cpu=vcpu.idx)
    vm.dispatch(registry["TLB_FLUSH"], [1, 63, 64, 65, 128, 129])
    assert [vcpu.idx for vcpu in vm.table if vcpu.requests] == [1, 63, 65, 128]
    assert [list(ipi.mask) for ipi in vm.ipis] == [[1, 63, 65, 128]]


def test_all_means_every_vcpu_but_no_hole(registry: RequestRegistry) -> None:
    vm = Standalone(4, 8, holes=[2])
    for vcpu in vm.table:
        vm.set_vcpu(vcpu, mode=IN_GUEST, cpu=7 - vcpu.idx)
    vm.dispatch(registry["TLB_FLUSH"])
    assert [list(ipi.mask) for ipi in vm.ipis] == [[4, 6, 7]]


def test_two_vcpus_of_one_pcpu_get_one_ipi(registry: RequestRegistry) -> None:
    vm = Standalone(2, 4)
    for idx in (0, 1):
        vm.set_vcpu(idx, mode=IN_GUEST, cpu=3)
    vm.dispatch(registry["TLB_FLUSH"])
    assert [list(ipi.mask) for ipi in vm.ipis] == [[3]]


def test_an_empty_mask_of_targets_does_nothing(registry: RequestRegistry) -> None:
    vm = Standalone(2, 2, world=True)
    assert (vm.dispatch(registry["TLB_FLUSH"], []), vm.ops, vm.ipis) == (False, [], [])


def test_the_second_kicker_finds_exiting_and_sends_none(vm_with: Make, registry: RequestRegistry) -> None:
    vm = vm_with(mode=IN_GUEST)
    assert [vm.dispatch(registry["EVENT"]), vm.dispatch(registry["NMI"])] == [True, False]


def test_a_mask_that_another_pcpu_left_behind_is_not_sent_to(registry: RequestRegistry) -> None:
    vm = Standalone(2, 3)
    vm.set_vcpu(0, mode=IN_GUEST, cpu=1)
    vm.set_vcpu(1, mode=IN_GUEST, cpu=2)
    vm.dispatch(registry["TLB_FLUSH"], [0])
    vm.dispatch(registry["TLB_FLUSH"], [1])
    assert [list(ipi.mask) for ipi in vm.ipis] == [[1], [2]]


# ---- kick() without a request, kick_many() ----


@pytest.mark.parametrize(
    ("state", "done", "rescheduled"),
    [
        pytest.param({"mode": IN_GUEST, "cpu": 1}, Kicked.SENT, [1], id="in the guest elsewhere"),
        pytest.param({"mode": IN_GUEST, "cpu": 0}, Kicked.NOTHING, [], id="in the guest here"),
        pytest.param({"mode": IN_GUEST, "cpu": -1}, Kicked.NOTHING, [], id="not loaded"),
        pytest.param({"mode": OUTSIDE, "cpu": 1}, Kicked.NOTHING, [], id="outside"),
        pytest.param({"mode": EXITING, "cpu": 1}, Kicked.NOTHING, [], id="exiting"),
        pytest.param({"mode": READING, "cpu": 1}, Kicked.NOTHING, [], id="reading"),
        pytest.param({"mode": OUTSIDE, "cpu": 1, "wait": True}, Kicked.WOKEN, [], id="asleep"),
    ],
)
def test_a_kick_does_exactly_one_thing(vm_with: Make, state: dict[str, int], done: Kicked, rescheduled: list[int]) -> None:
    vm = vm_with(**state)
    assert (vm.vm.kick(0), vm.rescheduled, vm.ipis) == (done, rescheduled, [])


def test_kick_many_of_an_empty_mask_sends_nothing(vm_with: Make) -> None:
    vm = vm_with()
    assert (vm.vm.kick_many(vm.vm.kick_mask(), wait=True), vm.calls) == (False, [])


def test_kick_many_of_none_is_everybody_online(vm_with: Make) -> None:
    vm = vm_with()
    assert (vm.vm.kick_many(None), [list(ipi.mask) for ipi in vm.ipis]) == (True, [[0, 1, 2]])


def test_preemption_is_on_again_after_every_call(vm_with: Make, registry: RequestRegistry) -> None:
    vm = vm_with(mode=IN_GUEST)
    vm.dispatch(registry["TLB_FLUSH"])
    vm.dispatch(registry["TLB_FLUSH"], [0])
    vm.vm.kick(0)
    assert vm.preempt_count == 0


def test_a_deschedule_that_was_asked_for_happens_when_preemption_is_on_again(vm_with: Make, registry: RequestRegistry) -> None:
    vm = vm_with(mode=IN_GUEST)
    vm.need_resched = True
    vm.dispatch(registry["TLB_FLUSH"])
    assert [call.name for call in vm.calls] == ["call_many", "call_wait", "schedule"]
