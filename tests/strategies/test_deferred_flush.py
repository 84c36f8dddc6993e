"""deferred-flush: who is descheduled is marked, and makes the request for itself when it is loaded."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from minikvm.core.standalone import Standalone
from minikvm.core.vcpu import Mode
from minikvm.testing import _plugs
from minikvm.testing._race import Race

NO_WAKEUP, WAIT, NO_ACTION = 1 << 8, 1 << 9, 1 << 10
ROUNDS = 10_000
FLUSHES = [0, 34, 35, 40]


@pytest.fixture
def vm(strategy: Callable[..., Any]) -> Standalone:
    """Two vCPUs; 1 was loaded on pCPU 1, and is descheduled."""
    vm = Standalone(2, strategy=strategy("deferred-flush"), record=True, this_cpu=1)
    _plugs.load(vm, 1)
    _plugs.put(vm, 1)
    vm.this_cpu = 0
    vm.clear()
    return vm


@pytest.mark.parametrize("nr", FLUSHES)
def test_a_flush_of_a_descheduled_vcpu_is_deferred(vm: Standalone, nr: int) -> None:
    assert vm.dispatch(nr | NO_WAKEUP | WAIT, [1]) is False
    assert vm.state(1)[3] == 0
    assert [(op.name, op.vcpu, op.value) for op in vm.events] == [("deferred", 1, nr)]


@pytest.mark.parametrize("nr", FLUSHES)
def test_a_deferred_flush_is_a_request_after_the_next_load(vm: Standalone, nr: int) -> None:
    vm.dispatch(nr | NO_WAKEUP | WAIT, [1])
    _plugs.load(vm, 1)
    assert vm.state(1)[3] == 1 << nr


def test_marks_of_several_flushes_are_all_kept(vm: Standalone) -> None:
    for nr in FLUSHES:
        vm.dispatch(nr | NO_WAKEUP, [1])
    _plugs.load(vm, 1)
    assert vm.state(1)[3] == sum(1 << nr for nr in FLUSHES)


def test_marks_are_used_up_by_one_load(vm: Standalone) -> None:
    vm.dispatch(34 | NO_WAKEUP, [1])
    _plugs.load(vm, 1)
    vm.set_vcpu(1, requests=0)
    _plugs.put(vm, 1)
    _plugs.load(vm, 1)
    assert vm.state(1)[3] == 0


@pytest.mark.parametrize("req", [34, 8 | NO_WAKEUP, 63 | NO_WAKEUP, 34 | NO_WAKEUP | NO_ACTION])
def test_other_requests_go_the_normal_way(vm: Standalone, req: int) -> None:
    vm.dispatch(req, [1])
    assert "deferred" not in [op.name for op in vm.events]
    assert vm.state(1)[3] == (0 if req & NO_ACTION else 1 << (req & 0xFF))


def test_a_loaded_vcpu_is_kicked(vm: Standalone) -> None:
    vm.this_cpu = 1
    _plugs.load(vm, 1)
    vm.this_cpu = 0
    vm.set_vcpu(1, mode=Mode.IN_GUEST_MODE)
    assert vm.dispatch(34 | NO_WAKEUP | WAIT, [1]) is True
    assert [set(ipi.mask) for ipi in vm.ipis] == [{1}]


def test_a_vcpu_that_was_never_loaded_gets_the_bit(vm: Standalone) -> None:
    vm.dispatch(34 | NO_WAKEUP, [0])
    assert vm.state(0)[3] == 1 << 34


def test_a_mark_is_added_with_a_fully_ordered_step(strategy: Callable[..., Any]) -> None:
    vm = Standalone(2, strategy=strategy("deferred-flush"), world=True)
    _plugs.set_strategy_word(vm, 1, 1)
    vm.dispatch(34 | NO_WAKEUP, [1])
    (mark,) = [op for op in vm.ops if op.op == "cmpxchg"]
    assert (mark.name, mark.order, mark.value, mark.operand) == ("vcpu.preempted", "full", 1, 1 | 2 << 34)


def test_no_flush_is_lost_while_the_vcpu_comes_and_goes(strategy: Callable[..., Any]) -> None:
    race = Race(Standalone(2, strategy=strategy("deferred-flush")), 1)
    with ThreadPoolExecutor(2) as pool:
        vcpu, kicker = pool.submit(race.vcpu), pool.submit(race.kicker, 34 | NO_WAKEUP, ROUNDS)
        assert kicker.result() == ROUNDS
        assert vcpu.result() > 0


def test_put_releases_what_the_vcpu_did_before(strategy: Callable[..., Any]) -> None:
    vm = Standalone(2, strategy=strategy("deferred-flush"), world=True)
    _plugs.put(vm, 1)
    assert [(op.op, op.name, op.order, op.value) for op in vm.ops] == [("store", "vcpu.preempted", "release", 1)]


def test_load_takes_the_marks_after_the_cpu_is_stored(strategy: Callable[..., Any]) -> None:
    vm = Standalone(2, strategy=strategy("deferred-flush"), world=True)
    _plugs.load(vm, 1)
    assert [(op.op, op.name, op.order) for op in vm.ops] == [("store", "vcpu.cpu", "relaxed"), ("xchg", "vcpu.preempted", "full")]


def test_a_sleeper_finds_its_deferred_flush_when_it_is_loaded_after_the_block(vm: Standalone) -> None:
    vm.set_vcpu(1, wait=True)
    vm.dispatch(0 | NO_WAKEUP | WAIT, [1])
    assert vm.woken == []
    _plugs.load(vm, 1)
    assert vm.state(1)[3] == 1
