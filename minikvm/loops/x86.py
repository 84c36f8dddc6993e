"""The x86 run loop."""

from __future__ import annotations

from minikvm.core.entry import loops
from minikvm.kinds import Loop


class X86(Loop):
    """x86's entry: the mode is stored with release, and a last check that finds EXITING_GUEST_MODE aborts.

    Source: arch/x86/kvm/x86.c, vcpu_enter_guest() and kvm_vcpu_exit_request(), Linux v6.18. The steps are in minikvm.core.entry.

    When it is right: with every strategy. A kick without a request is noticed too, by the mode. vcpu.cpu stays stale after a put,
    until the next load. Cost: one full barrier and a look at mode, requests and pending work for each entry.
    """

    name = "x86"
    arch = "x86"

    def native(self) -> object:
        """The mk_loop capsule; its struct is minikvm.core.entry's."""
        return loops()["x86"]
