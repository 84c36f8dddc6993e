"""The seed question, by hand: the target migrates right after its vcpu.cpu was read, and enters the guest on its new pCPU."""

from __future__ import annotations

from typing import Any

import pytest

from minikvm.core.standalone import Standalone
from minikvm.core.vcpu import Mode

KICKED = 8 | 1 << 8


@pytest.fixture
def migrating(strategy: Any) -> Any:
    """One call to vCPU 1, which was loaded on pCPU 1 and outside; at the read of its cpu it is loaded on pCPU 2, and enters if it may."""

    def call(name: str) -> tuple[Standalone, bool]:
        vm = Standalone(3, strategy=strategy(name), world=True)
        vm.set_vcpu(1, mode=Mode.OUTSIDE_GUEST_MODE if name == "v1-bitmap" else Mode.IN_GUEST_MODE, cpu=1)
        missed = []

        def migrate(point: str, idx: int | None) -> None:
            if point == "kick.cpu_read" and idx is not None:
                unseen = vm.state(1)[3] == 0  # what its last check finds on the new pCPU
                vm.set_vcpu(1, cpu=2, mode=Mode.IN_GUEST_MODE if unseen else Mode.OUTSIDE_GUEST_MODE)
                missed.append(unseen)

        vm.recorder.at_point = migrate
        vm.dispatch(KICKED, [1])
        return vm, missed == [True]

    return call


def test_v1_bitmap_kicks_the_pcpu_that_was_left_and_loses_the_kick(migrating: Any) -> None:
    vm, missed = migrating("v1-bitmap")
    assert missed, "the entry on pCPU 2 saw the request: this interleaving shows nothing"
    assert [set(ipi.mask) for ipi in vm.ipis] == [{1}]


@pytest.mark.parametrize("name", ["linear", "upstream", "upstream-linear", "locked", "sampled", "cluster", "pv-window", "asymmetric"])
def test_the_others_let_the_new_entry_see_the_request(migrating: Any, name: str) -> None:
    missed = migrating(name)[1]
    assert not missed


@pytest.mark.parametrize("name", ["linear", "v1-bitmap"])
def test_a_mask_that_cannot_be_allocated_means_everybody(strategy: Any, name: str) -> None:
    vm = Standalone(4, strategy=strategy(name), world=True)
    vm.recorder.verdicts["kick.alloc_mask"] = "fail"
    vm.set_vcpu(1, mode=Mode.IN_GUEST_MODE, cpu=1)
    vm.dispatch(KICKED, [1])
    assert [set(ipi.mask) for ipi in vm.ipis] == [{0, 1, 2, 3}]
    assert vm.state(1)[0] == Mode.IN_GUEST_MODE, "no mode is looked at without a mask"
