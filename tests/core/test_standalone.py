"""Standalone: the VM without threads."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from minikvm.core.requests import RequestRegistry
from minikvm.core.standalone import Standalone
from minikvm.core.vcpu import Mode


def test_dispatch_many_sends_as_often_as_dispatch_would(registry: RequestRegistry) -> None:
    vm = Standalone(3, 3)
    for idx in range(3):
        vm.set_vcpu(idx, cpu=idx)
    assert (vm.dispatch_many(registry["TLB_FLUSH"], [1, 2], 50, mode=Mode.IN_GUEST_MODE), vm.trace, vm.visited) == (50, [], 100)


def test_dispatch_many_without_a_mode_leaves_the_modes_to_the_calls(registry: RequestRegistry) -> None:
    vm = Standalone(2, 2)
    vm.set_vcpu(1, cpu=1, mode=Mode.IN_GUEST_MODE)
    assert vm.dispatch_many(registry["NMI"], None, 50) == 1


def test_dispatch_many_is_neither_observed_nor_seen_by_the_world(registry: RequestRegistry) -> None:
    vm = Standalone(2, 2, world=True, record=True)
    vm.dispatch_many(registry["NMI"], None, 5, mode=Mode.IN_GUEST_MODE)
    assert vm.trace == []
    vm.dispatch(registry["NMI"])
    assert vm.events != []


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({"this_cpu": 2}, IndexError, "pCPU 2: expected -1 to 1"),
        ({"vcpu": 5}, IndexError, "vCPU 5: expected 0 to 1"),
        ({"loop": "riscv"}, ValueError, r"loop 'riscv': expected x86, arm64, a capsule or an object with native\(\) or enter\(\)"),
        ({"strategy": object()}, TypeError, r"native\(\) must return a minikvm.strategy capsule, not object"),
        ({"injectors": [object()], "world": True}, TypeError, r"native\(\) must return a minikvm.injector capsule, not object"),
        ({"injectors": [object()]}, ValueError, "injectors without world=True: a bare VM has no points"),
    ],
)
def test_a_standalone_vm_that_cannot_be_says_why(arguments: dict[str, Any], error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=f"^{message}$"):
        Standalone(2, 2, **arguments)


@given(
    states=st.lists(
        st.fixed_dictionaries({"mode": st.sampled_from(Mode), "cpu": st.integers(-1, 2), "wait": st.booleans()}), min_size=4, max_size=4
    ),
    request=st.builds(lambda nr, flags: nr | flags << 8, st.integers(0, 63), st.integers(0, 7)),
    targets=st.none() | st.sets(st.integers(0, 3)),
)
def test_a_vm_that_is_watched_does_what_a_bare_one_does(states: list[dict[str, Any]], request: int, targets: set[int] | None) -> None:
    done = []
    for watched in (False, True):
        vm = Standalone(4, 3, holes=[2], world=watched, record=watched)
        for vcpu in vm.table:
            vm.set_vcpu(vcpu, **states[vcpu.idx])
        done.append((vm.dispatch(request, targets), [vm.state(vcpu) for vcpu in vm.table], vm.calls, vm.visited, vm.preempt_count))
    assert done[1] == done[0]
