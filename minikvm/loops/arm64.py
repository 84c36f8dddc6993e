"""The arm64 run loop."""

from __future__ import annotations

from minikvm.core.entry import loops
from minikvm.kinds import Loop


class Arm64(Loop):
    """arm64's entry: smp_store_mb() of the mode, and a last check that sees only request bits and pending work.

    Source: arch/arm64/kvm/arm.c, kvm_arch_vcpu_ioctl_run(), kvm_vcpu_exit_request() and kvm_arch_vcpu_put(), Linux v6.18. The steps are in
    minikvm.core.entry.

    When it is right: with every strategy; a kick without a request is not noticed before the IPI comes (R19). A put stores -1
    in vcpu.cpu. Cost: one full barrier and a look at requests and pending work for each entry, a store for each put.
    """

    name = "arm64"
    arch = "arm64"

    def native(self) -> object:
        """The mk_loop capsule; its struct is minikvm.core.entry's."""
        return loops()["arm64"]
