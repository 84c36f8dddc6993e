"""What CurrentVM says to misuse: always one clear Python error."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from minikvm.core.bitmap import Bitmap
from minikvm.core.cpumask import CpuMask
from minikvm.core.standalone import Standalone
from minikvm.core.vcpu import Mode
from minikvm.core.view import CurrentVM


@pytest.fixture
def vm() -> Standalone:
    """Four places, the third a hole; three pCPUs."""
    return Standalone(4, 3, holes=[2], world=True, record=True)


@pytest.mark.parametrize(
    ("use", "error", "message"),
    [
        (lambda vm: vm.kick(2), IndexError, "vCPU 2: a hole"),
        (lambda vm: vm.kick(4), IndexError, "vCPU 4: expected 0 to 3"),
        (lambda vm: vm.kick(-1), IndexError, "vCPU -1: expected 0 to 3"),
        (lambda vm: vm.kick("1"), TypeError, "vCPU '1': expected a VCpu or its place in the table"),
        (lambda vm: vm.kick(True), TypeError, "vCPU True: expected a VCpu or its place in the table"),
        (lambda vm: vm.kick(Standalone(4, 3).table[1]), ValueError, "vCPU 1 is another VM's"),
        (lambda vm: vm.make_request(64, 1), ValueError, "request 0x40: expected an id of 0 to 63 and flags of 0x100, 0x200 and 0x400"),
        (lambda vm: vm.make_request(0x800, 1), ValueError, "request 0x800: expected an id .*"),
        (lambda vm: vm.make_request(-1, 1), ValueError, "request -0x1: expected an id .*"),
        (lambda vm: vm.make_request("NMI", 1), TypeError, r"request 'NMI': expected a Request or an int \(id and flags\)"),
        (lambda vm: vm.make_vcpus_request_mask(0, None), TypeError, r"targets is None: expected a mask; make_all_cpus_request\(\) .*"),
        (lambda vm: vm.make_vcpus_request_mask(0, Bitmap(5)), ValueError, "targets of 5 bits: expected one a vCPU, 4"),
        (lambda vm: vm.make_vcpus_request_mask(0, [4]), IndexError, r"bit 4: expected 0\.\.3"),
        (lambda vm: vm.kick_many([1]), TypeError, "mask is of type list: expected a CpuMask"),
        (lambda vm: vm.kick_many(CpuMask(4)), ValueError, "mask of 4 bits: expected one a pCPU, 3"),
        (lambda vm: vm.reschedule(3), IndexError, "pCPU 3: expected 0 to 2"),
        (lambda vm: vm.reschedule(-1), IndexError, "pCPU -1: expected 0 to 2"),
        (lambda vm: vm.node_of(3), IndexError, "pCPU 3: expected 0 to 2"),
        (lambda vm: vm.mask_cpu(1, 3, 0, vm.kick_mask()), IndexError, "pCPU 3: expected -1 to 2"),
        (lambda vm: vm.point("kick.cpu_raed"), ValueError, "point 'kick.cpu_raed': did you mean 'kick.cpu_read'\\?"),
        (lambda vm: vm.note("meet"), ValueError, "event 'meet': .*"),
        (lambda vm: vm.choose(0), ValueError, r"choose\(0, 0.5\): expected n from 1 up and a probability of 0 to 1"),
        (lambda vm: vm.choose(2, 1.5), ValueError, r"choose\(2, 1.5\): .*"),
        (lambda vm: vm.set_mode(1, 1, "acquire"), ValueError, "order 'acquire': expected one of plain, relaxed, release, seq_cst"),
        (lambda vm: vm.set_mode(1, 4), ValueError, "4 is not a valid Mode"),
        (lambda vm: vm.vcpu_enter_guest(1, "arm"), ValueError, "architecture 'arm': did you mean 'arm64'\\?"),
        (lambda vm: vm.strategy_rmw(1, "sub", 1), ValueError, "operation 'sub': expected one of or, and, add, xchg, cmpxchg"),
        (lambda vm: vm.delay(-1), ValueError, r"delay\(-1\): expected nanoseconds from 0 up"),
        (lambda vm: vm.irq_enable(), RuntimeError, "irq_enable: IRQs are on already"),
    ],
)
def test_misuse_is_one_clear_error(vm: Standalone, use: Callable[[CurrentVM], Any], error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=f"^{message}$"):
        use(vm.vm)


def test_a_vcpu_of_the_table_is_as_good_as_a_bound_one(vm: Standalone) -> None:
    vm.vm.make_request(8, vm.table[1])
    assert vm.state(1)[3] == 1 << 8


def test_only_the_vcpus_own_thread_stores_its_mode() -> None:
    vm = Standalone(2, vcpu=0)
    with pytest.raises(ValueError, match=r"vCPU 0 stores the mode of vCPU 1: expected its own \(R8\)"):
        vm.vm.set_mode(1, Mode.IN_GUEST_MODE)
