# cython: language_level=3
"""M21: check, which clears, is used on a sticky request. Whoever consumes it is the last one who knows of it."""
from minikvm.core.entry cimport enter_handled, handle_these
from minikvm.core.native cimport loop_capsule
from minikvm.core.world cimport MK_ABI, MK_RELEASE, mk_ctx, mk_loop, mk_vcpu

from minikvm.kinds import Loop


cdef int enter(mk_ctx *c, const mk_loop *l, mk_vcpu *v) except -1 nogil:
    # The bug, not to be repaired: kvm_check_request() where kvm_test_request() is meant. The last check finds nothing any more.
    return enter_handled(c, v, handle_these(c, v, ~c.vm.gate_mask), True, MK_RELEASE)


cdef mk_loop loop
loop.abi = MK_ABI
loop.size = sizeof(mk_loop)
loop.enter = enter


class M21(Loop):
    """Known bug: sticky requests are consumed like any other, and the guest is entered again (P1).

    When it is right: without sticky requests.
    """

    name = "m21"
    arch = "x86"

    def native(self):
        """The mk_loop capsule; its struct is the module's own."""
        return loop_capsule(&loop)
