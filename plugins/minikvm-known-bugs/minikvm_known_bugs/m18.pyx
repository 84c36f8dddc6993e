# cython: language_level=3
"""M18: a bit is logged that nobody clears. Every entry is aborted by it, for ever."""
from libc.stdint cimport uint64_t
from minikvm.core.entry cimport enter_handled, handle_these
from minikvm.core.native cimport loop_capsule
from minikvm.core.world cimport MK_ABI, MK_RELEASE, mk_ctx, mk_loop, mk_vcpu

from minikvm.kinds import Loop

cdef uint64_t KNOWN = ((<uint64_t>1) << 41) - 1  # Linux v6.18 on x86: 0..40, up to HV_TLB_FLUSH


cdef int enter(mk_ctx *c, const mk_loop *l, mk_vcpu *v) except -1 nogil:
    # The bug, not to be repaired: a request that this loop has no code for is left where it is, and the last check finds it.
    return enter_handled(c, v, handle_these(c, v, KNOWN & ~(c.vm.gate_mask | c.vm.sticky_mask)), True, MK_RELEASE)


cdef mk_loop loop
loop.abi = MK_ABI
loop.size = sizeof(mk_loop)
loop.enter = enter


class M18(Loop):
    """Known bug: requests beyond KVM's own are never consumed (P5). For files with a request of their own.

    When it is right: for KVM's own requests.
    """

    name = "m18"
    arch = "x86"

    def native(self):
        """The mk_loop capsule; its struct is the module's own."""
        return loop_capsule(&loop)
