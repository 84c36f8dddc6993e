"""The two run loops as plugins: what tells them apart."""

from __future__ import annotations

from typing import Any

import pytest

from minikvm.core.standalone import Standalone
from minikvm.core.vcpu import Mode
from minikvm.loops.arm64 import Arm64
from minikvm.loops.x86 import X86
from minikvm.testing import _plugs


@pytest.fixture(params=[X86, Arm64], ids=["x86", "arm64"])
def loop(request: pytest.FixtureRequest) -> Any:
    return request.param()


def entering(loop: Any) -> Standalone:
    """vCPU 0 is loaded; while its entry passes entry.mode, somebody moves its mode to EXITING and makes no request."""
    vm = Standalone(1, loop=loop, world=True, vcpu=0)
    vm.set_vcpu(0, cpu=0)

    def kicked(point: str, idx: int | None) -> None:
        if point == "entry.mode":
            vm.set_vcpu(0, mode=Mode.EXITING_GUEST_MODE)

    vm.recorder.at_point = kicked
    return vm


def test_x86_aborts_when_its_mode_was_moved_to_exiting() -> None:
    assert not entering(X86()).enter(0)


def test_arm64_does_not_look_at_its_mode() -> None:
    assert entering(Arm64()).enter(0)


def test_a_request_that_comes_after_the_mode_store_aborts_the_entry(loop: Any) -> None:
    vm = entering(loop)
    vm.recorder.at_point = lambda point, idx: vm.set_vcpu(0, requests=1 << 8) if point == "entry.mode" else None
    assert not vm.enter(0)


@pytest.mark.parametrize(("cls", "order"), [(X86, "release"), (Arm64, "relaxed")])
def test_the_mode_is_stored_with_the_architectures_order(cls: Any, order: str) -> None:
    vm = Standalone(1, loop=cls(), world=True, vcpu=0)
    vm.enter(0)
    assert next(op.order for op in vm.ops if op.op == "store" and op.name == "vcpu.mode") == order


@pytest.mark.parametrize(("cls", "cpu"), [(X86, 0), (Arm64, -1)])
def test_only_arm64_forgets_the_cpu_at_put(cls: Any, cpu: int) -> None:
    vm = Standalone(1, loop=cls())
    _plugs.load(vm, 0)
    _plugs.put(vm, 0)
    assert vm.state(0)[1] == cpu
