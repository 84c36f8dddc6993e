# cython: language_level=3
"""M06: mode = IN_GUEST_MODE without a full barrier before the last check. The caller's side is the merged form."""
from libc.stdint cimport uint32_t, uint64_t
from minikvm.core.kick cimport make_all_cpus_request, make_vcpus_request_mask
from minikvm.core.native cimport strategy_capsule
from minikvm.core.world cimport MK_ABI, MK_BARRIER, mk_ctx, mk_fence, mk_strategy, mk_vcpu

from minikvm.kinds import Strategy


cdef int dispatch(mk_ctx *c, const mk_strategy *s, uint32_t req, const uint64_t *targets) except -1 nogil:
    if targets == NULL:
        return make_all_cpus_request(c, req)
    return make_vcpus_request_mask(c, req, targets)


cdef int enter_barrier(mk_ctx *c, const mk_strategy *s, mk_vcpu *v) except -1 nogil:
    # The bug, not to be repaired: only the compiler is held back. The mode may still be in the store buffer when the requests are read.
    return mk_fence(c, MK_BARRIER, b"vcpu_enter_guest")


cdef mk_strategy table
table.abi = MK_ABI
table.size = sizeof(mk_strategy)
table.dispatch = dispatch
table.enter_barrier = enter_barrier


class M06(Strategy):
    """Known bug: no full barrier between mode = IN_GUEST_MODE and the last check (P1).

    When it is right: under sc only.
    """

    name = "m06"
    requires = frozenset({"acknowledges"})

    def native(self):
        """The mk_strategy capsule; its struct is the module's own."""
        return strategy_capsule(&table)
