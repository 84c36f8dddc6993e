"""In which order a strategy touches one target: what the memory models will judge."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from minikvm.core.standalone import Standalone
from minikvm.core.vcpu import Mode

NO_WAKEUP, WAIT = 1 << 8, 1 << 9
BIT = ("or", "vcpu.requests", "relaxed")
MODE_STEP = ("cmpxchg", "vcpu.mode", "full")
CPU_ONCE = ("load", "vcpu.cpu", "relaxed")
CPU_PLAIN = ("load", "vcpu.cpu", "plain")


@pytest.fixture
def accesses(strategy: Callable[..., Any]) -> Callable[..., list[tuple[str, str, str]]]:
    """The shared accesses and the membarrier of one call to a vCPU that is in the guest on pCPU 1, and awake."""

    def trace(name: str, req: int = 8 | NO_WAKEUP) -> list[tuple[str, str, str]]:
        vm = Standalone(2, strategy=strategy(name), world=True)
        vm.set_vcpu(1, mode=Mode.IN_GUEST_MODE, cpu=1)
        vm.dispatch(req, [1])
        kept = {"load", "store", "or", "cmpxchg", "xchg", "fence", "lock", "unlock"}
        return [(op.op, op.order if op.op == "fence" else op.name, "" if op.op == "fence" else op.order) for op in vm.trace
                if op.op in kept or op.name in {"membarrier", "call_many"}]

    return trace


SEND = ("call", "call_many", "nowait")


@pytest.mark.parametrize("name", ["upstream", "upstream-linear", "cluster", "pv-window"])
def test_the_cpu_is_read_once_and_after_the_mode(accesses: Any, name: str) -> None:
    assert accesses(name) == [("fence", "wmb", ""), BIT, ("fence", "before_atomic", ""), MODE_STEP, CPU_ONCE, SEND]


def test_linear_reads_the_cpu_plainly_between_bit_and_mode(accesses: Any) -> None:
    assert accesses("linear") == [("fence", "wmb", ""), BIT, CPU_PLAIN, ("fence", "before_atomic", ""), MODE_STEP, SEND]


def test_v1_bitmap_reads_the_cpu_plainly_before_the_bit(accesses: Any) -> None:
    assert accesses("v1-bitmap") == [CPU_PLAIN, ("fence", "wmb", ""), BIT, ("fence", "before_atomic", ""), MODE_STEP, SEND]


def test_broadcast_reads_neither_mode_nor_cpu(accesses: Any) -> None:
    assert accesses("broadcast") == [("fence", "wmb", ""), BIT, SEND]


def test_sampled_looks_at_the_mode_after_a_full_barrier(accesses: Any) -> None:
    assert accesses("sampled") == [("fence", "wmb", ""), BIT, ("fence", "mb", ""), ("load", "vcpu.mode", "relaxed"), CPU_ONCE, SEND]


def test_sampled_samples_before_it_wakes(accesses: Any) -> None:
    trace = accesses("sampled", 8)
    assert trace.index(("load", "vcpu.mode", "relaxed")) < trace.index(("load", "vcpu.wait", "relaxed"))


LOCKED = [("lock", "vcpu.lock", "acquire"), ("load", "vcpu.mode", "relaxed"), CPU_ONCE, ("unlock", "vcpu.lock", "release")]


def test_locked_looks_at_mode_and_cpu_under_the_lock_and_needs_no_full_barrier(accesses: Any) -> None:
    assert accesses("locked") == [("fence", "wmb", ""), BIT, *LOCKED, SEND]


def test_locked_pairs_with_the_walk_by_a_full_barrier_when_it_waits(accesses: Any) -> None:
    assert accesses("locked", 8 | NO_WAKEUP | WAIT)[:7] == [("fence", "wmb", ""), BIT, ("fence", "mb", ""), *LOCKED]


def test_locked_passes_no_point_and_calls_no_machine_while_it_holds_the_lock(strategy: Callable[..., Any]) -> None:
    vm = Standalone(2, strategy=strategy("locked"), world=True)
    vm.set_vcpu(1, mode=Mode.IN_GUEST_MODE, cpu=1)
    vm.dispatch(8 | WAIT, [1])
    ops = [op.op for op in vm.trace]
    assert ops[ops.index("lock"):ops.index("unlock") + 1] == ["lock", "load", "load", "unlock"]


def test_asymmetric_makes_all_requests_then_one_membarrier_then_looks_at_modes(strategy: Callable[..., Any]) -> None:
    vm = Standalone(3, strategy=strategy("asymmetric"), world=True)
    for idx in (1, 2):
        vm.set_vcpu(idx, mode=Mode.IN_GUEST_MODE, cpu=idx)
    vm.dispatch(8 | NO_WAKEUP, [1, 2])
    steps = [op.name for op in vm.trace if op.op in {"or", "cmpxchg", "call"}]
    assert steps == ["vcpu.requests", "vcpu.requests", "membarrier", "vcpu.mode", "vcpu.mode", "call_many"]


def test_asymmetric_makes_no_membarrier_when_all_targets_were_asleep(strategy: Callable[..., Any]) -> None:
    vm = Standalone(2, strategy=strategy("asymmetric"), world=True)
    vm.set_vcpu(1, wait=True)
    vm.dispatch(8 | WAIT, [1])
    assert [op.name for op in vm.calls] == ["wake"]


@pytest.mark.parametrize(("name", "between"), [
    ("upstream", [("fence", "mb")]),
    ("asymmetric", [("fence", "barrier")]),
    ("locked", [("lock", "acquire"), ("unlock", "release")]),
])
def test_what_an_entry_does_between_its_mode_and_its_last_check(strategy: Callable[..., Any], name: str, between: Any) -> None:
    vm = Standalone(2, strategy=strategy(name), world=True, vcpu=1)
    vm.set_vcpu(1, cpu=0)
    assert vm.enter(1)
    ops = vm.ops
    first = next(i for i, op in enumerate(ops) if op.op == "store" and op.name == "vcpu.mode")
    rest = ops[first + 1:]
    last = next(i for i, op in enumerate(rest) if op.op == "load")
    assert [(op.op, op.order) for op in rest[:last]] == between
