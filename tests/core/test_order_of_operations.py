"""The order of the memory operations of each helper of the kick path: the protocol is this order (docs/protocol.md)."""

from __future__ import annotations

from collections.abc import Callable, Iterable

import pytest

from minikvm.core.recorder import Op
from minikvm.core.requests import RequestRegistry
from minikvm.core.standalone import Standalone
from minikvm.core.vcpu import Mode

Steps = Callable[[Iterable[Op]], list[str]]

MAKE = ["fence wmb make_request", "or relaxed vcpu.requests"]
LOOK = ["fence mb wake_up", "load relaxed vcpu.wait"]
MODE = ["fence before_atomic exiting_guest_mode", "cmpxchg full vcpu.mode"]
CPU = ["load relaxed vcpu.cpu"]


@pytest.fixture
def vm() -> Standalone:
    """One vCPU in the guest on pCPU 1, seen from pCPU 0."""
    vm = Standalone(1, 2, world=True, record=True)
    vm.set_vcpu(0, mode=Mode.IN_GUEST_MODE, cpu=1)
    return vm


def test_make_request_publishes_before_the_bit(vm: Standalone, steps: Steps, registry: RequestRegistry) -> None:
    vm.vm.make_request(registry["NMI"], 0)
    assert steps(vm.ops) == MAKE


def test_make_request_sets_its_own_bit_only(vm: Standalone, registry: RequestRegistry) -> None:
    vm.vm.make_request(registry["HV_TLB_FLUSH"], 0)
    assert [op.operand for op in vm.ops if op.op == "or"] == [1 << 40]


def test_test_request_is_one_read_without_a_barrier(vm: Standalone, steps: Steps) -> None:
    vm.set_vcpu(0, requests=1 << 3)
    assert (vm.vm.test_request(3, 0), vm.vm.test_request(4, 0)) == (True, False)
    assert steps(vm.ops) == ["load relaxed vcpu.requests"] * 2


def test_request_pending_is_one_read_without_a_barrier(vm: Standalone, steps: Steps) -> None:
    vm.set_vcpu(0, requests=0xF0F0)
    assert (vm.vm.request_pending(0), steps(vm.ops)) == (0xF0F0, ["load relaxed vcpu.requests"])


def test_clear_request_has_no_barrier(vm: Standalone, steps: Steps) -> None:
    vm.set_vcpu(0, requests=0b11)
    vm.vm.clear_request(0, 0)
    assert (vm.state(0)[3], steps(vm.ops)) == (0b10, ["and relaxed vcpu.requests"])


def test_check_request_tests_clears_and_then_has_a_full_barrier(vm: Standalone, steps: Steps) -> None:
    vm.set_vcpu(0, requests=0b11)
    assert vm.vm.check_request(0, 0) is True
    assert steps(vm.ops) == ["load relaxed vcpu.requests", "and relaxed vcpu.requests", "fence after_atomic check_request"]


def test_check_request_of_a_clear_bit_only_reads(vm: Standalone, steps: Steps) -> None:
    vm.set_vcpu(0, requests=0b10)
    assert (vm.vm.check_request(0, 0), steps(vm.ops)) == (False, ["load relaxed vcpu.requests"])


def test_check_is_told_to_the_observer_as_consumed_and_clear_as_cleared(vm: Standalone) -> None:
    vm.set_vcpu(0, requests=0b11)
    vm.vm.check_request(0, 0)
    vm.vm.clear_request(1, 0)
    assert [(event.name, event.value) for event in vm.events] == [("consumed", 0), ("cleared", 1)]


def test_wake_up_has_its_barrier_before_it_looks_for_a_sleeper(vm: Standalone, steps: Steps) -> None:
    assert (vm.vm.wake_up(0), steps(vm.ops)) == (False, LOOK)


def test_wake_up_takes_the_sleeper_with_a_fully_ordered_exchange_before_it_is_run(vm: Standalone, steps: Steps) -> None:
    vm.set_vcpu(0, wait=True)
    assert vm.vm.wake_up(0) is True
    assert steps(op for op in vm.trace if op.op not in ("point", "event")) == [*LOOK, "cmpxchg full vcpu.wait", "call wake"]


def test_exiting_guest_mode_has_its_full_barrier_before_the_mode(vm: Standalone, steps: Steps) -> None:
    vm.vm.exiting_guest_mode(0)
    assert steps(vm.ops) == MODE


def test_exiting_guest_mode_stores_nothing_but_exiting_over_in_guest(vm: Standalone) -> None:
    vm.vm.exiting_guest_mode(0)
    assert [(op.value, op.operand) for op in vm.ops if op.op == "cmpxchg"] == [(Mode.IN_GUEST_MODE, Mode.EXITING_GUEST_MODE)]


def test_needs_ipi_reads_the_mode_and_nothing_after_it(vm: Standalone, steps: Steps, registry: RequestRegistry) -> None:
    vm.vm.needs_ipi(0, registry["NMI"])
    assert steps(vm.ops) == MODE


def test_read_cpu_is_one_relaxed_read(vm: Standalone, steps: Steps) -> None:
    assert (vm.vm.read_cpu(0), steps(vm.ops)) == (1, CPU)


def test_a_plain_read_of_cpu_is_told_from_a_relaxed_one(vm: Standalone, steps: Steps) -> None:
    assert (vm.vm.read_cpu(0, plain=True), steps(vm.ops)) == (1, ["load plain vcpu.cpu"])


def test_a_bound_vcpu_reads_its_cpu_once_and_passes_the_point(vm: Standalone, steps: Steps) -> None:
    assert (vm.vm.vcpu(0).cpu, steps(vm.trace)) == (1, [*CPU, "point kick.cpu_read"])


def test_a_vcpu_of_the_table_reads_bare(vm: Standalone) -> None:
    assert (vm.table[0].cpu, vm.trace) == (1, [])


def test_make_vcpu_request_is_request_wake_up_mode_and_only_then_the_cpu(vm: Standalone, steps: Steps, registry: RequestRegistry) -> None:
    assert vm.vm.make_vcpu_request(0, registry["NMI"], vm.vm.kick_mask(), 0) is True
    assert steps(vm.ops) == [*MAKE, *LOOK, *MODE, *CPU]


def test_make_vcpu_request_without_wake_up_goes_from_the_bit_to_the_mode(vm: Standalone, steps: Steps, registry: RequestRegistry) -> None:
    vm.vm.make_vcpu_request(0, registry["TLB_FLUSH"], vm.vm.kick_mask(), 0)
    assert steps(vm.ops) == [*MAKE, *MODE, *CPU]


def test_no_action_has_no_bit_and_no_write_barrier(vm: Standalone, steps: Steps, registry: RequestRegistry) -> None:
    vm.vm.make_vcpu_request(0, registry["OUTSIDE_GUEST_MODE"], vm.vm.kick_mask(), 0)
    assert steps(vm.ops) == [*MODE, *CPU]


def test_the_cpu_of_a_vcpu_that_needs_no_ipi_is_not_read(vm: Standalone, steps: Steps, registry: RequestRegistry) -> None:
    vm.set_vcpu(0, mode=Mode.OUTSIDE_GUEST_MODE)
    assert vm.vm.make_vcpu_request(0, registry["TLB_FLUSH"], vm.vm.kick_mask(), 0) is False
    assert steps(vm.ops) == [*MAKE, *MODE]


def test_all_targets_are_done_before_the_one_ipi(steps: Steps, registry: RequestRegistry) -> None:
    vm = Standalone(3, 3, world=True)
    for idx in range(3):
        vm.set_vcpu(idx, mode=Mode.IN_GUEST_MODE, cpu=idx)
    vm.dispatch(registry["TLB_FLUSH"], [1, 2])
    done = steps(op for op in vm.trace if op.op != "point")
    assert done == [*MAKE, *MODE, *CPU, *MAKE, *MODE, *CPU, "call wait call_many", "call call_wait"]


@pytest.mark.parametrize("targets", [None, [0]], ids=["all", "mask"])
def test_the_points_of_a_kick_come_in_the_order_of_its_steps(
    vm: Standalone, registry: RequestRegistry, targets: list[int] | None
) -> None:
    vm.dispatch(registry["NMI"].but(wait=True), targets)
    assert vm.points == [
        "kick.begin", "kick.made", "kick.wake", "kick.mode", "kick.cpu_read", "ipi.await", "kick.end",
    ]  # fmt: skip


def test_the_observer_sees_each_step_of_a_kick(vm: Standalone, registry: RequestRegistry) -> None:
    vm.dispatch(registry["TLB_FLUSH"])
    assert [(event.name, event.value, event.operand) for event in vm.events[:3]] == [
        ("made", 0, 0), ("mode", Mode.IN_GUEST_MODE, 1), ("masked", 1, 1),
    ]  # fmt: skip
    assert [(event.name, list(event.value), event.operand) for event in vm.events[3:]] == [("sending", [1], 1)]


def test_the_observer_is_told_when_a_request_was_there_already(vm: Standalone, registry: RequestRegistry) -> None:
    vm.vm.make_request(registry["NMI"], 0)
    vm.vm.make_request(registry["NMI"], 0)
    assert [(event.name, event.operand) for event in vm.events] == [("made", 0), ("made", 1)]


def test_a_plain_kick_of_a_vcpu_in_the_guest_wakes_moves_reads_and_reschedules(vm: Standalone, steps: Steps) -> None:
    vm.vm.kick(0)
    assert steps(op for op in vm.trace if op.op not in ("point", "event")) == [*LOOK, *MODE, *CPU, "call reschedule"]


def test_a_plain_kick_sets_no_bit(vm: Standalone) -> None:
    vm.vm.kick(0)
    assert vm.state(0)[3] == 0


@pytest.mark.parametrize(("name", "kind"), [("smp_mb", "mb"), ("smp_wmb", "wmb"), ("smp_rmb", "rmb")])
def test_a_barrier_is_the_one_that_its_name_says(vm: Standalone, steps: Steps, name: str, kind: str) -> None:
    getattr(vm.vm, name)()
    assert steps(vm.ops) == [f"fence {kind} {name}"]


def test_a_lock_acquires_and_releases_and_is_no_full_barrier(vm: Standalone, steps: Steps) -> None:
    vm.vm.lock(0)
    vm.vm.unlock(0)
    assert steps(vm.ops) == ["lock acquire vcpu.strategy", "unlock release vcpu.strategy"]


@pytest.mark.parametrize("world", [False, True])
def test_a_lock_that_is_held_is_a_deadlock_and_says_so(world: bool) -> None:
    vm = Standalone(1, world=world)
    vm.vm.lock(0)
    with pytest.raises(RuntimeError, match="deadlock"):
        vm.vm.lock(0)


@pytest.mark.parametrize(
    ("op", "operand", "expected", "after"),
    [
        ("or", 0b0011, 0, 0b0111),
        ("and", 0b0110, 0, 0b0100),
        ("add", 2, 0, 7),
        ("xchg", 9, 0, 9),
        ("cmpxchg", 9, 5, 9),
        ("cmpxchg", 9, 4, 5),
    ],
)
def test_the_strategys_word_is_changed_atomically(vm: Standalone, op: str, operand: int, expected: int, after: int) -> None:
    vm.vm.strategy_store(0, 5)
    assert (vm.vm.strategy_rmw(0, op, operand, expected), vm.vm.strategy_load(0)) == (5, after)


def test_the_strategys_word_is_used_with_the_order_that_is_asked_for(vm: Standalone, steps: Steps) -> None:
    vm.vm.strategy_store(0, 1, "release")
    vm.vm.strategy_load(0, "acquire")
    vm.vm.strategy_rmw(0, "xchg", 2)
    assert steps(vm.ops) == ["store release vcpu.strategy", "load acquire vcpu.strategy", "xchg full vcpu.strategy"]
