# cython: language_level=3
"""M01: no IPI when the bit was already set. A second caller that waits returns before the first one's IPI is even sent."""
from libc.stdint cimport int32_t, uint32_t, uint64_t
from minikvm.core.kick cimport make_vcpu_request
from minikvm.core.native cimport strategy_capsule
from minikvm.core.world cimport (
    MK_ABI, MK_EV_MADE, MK_FULL, MK_OR, MK_PT_KICK_MADE, MK_REQ_MASK, MK_REQ_NO_ACTION, mk_ctx, mk_note, mk_point, mk_rmw64, mk_strategy,
    mk_vcpu)
from minikvm_known_bugs._call cimport call

from minikvm.kinds import Strategy


cdef int steps(mk_ctx *c, mk_vcpu *v, uint32_t req, uint64_t *mask, int32_t me) except -1 nogil:
    cdef uint64_t bit = (<uint64_t>1) << (req & MK_REQ_MASK)
    cdef uint64_t old = 0
    mk_rmw64(c, &v.requests, MK_OR, MK_FULL, b"vcpu.requests", bit, 0, &old)  # test_and_set_bit()
    mk_note(c, MK_EV_MADE, v, req & MK_REQ_MASK, (old & bit) != 0)
    mk_point(c, MK_PT_KICK_MADE, v)
    if old & bit:
        return 0  # The bug, not to be repaired: whoever made it before has perhaps not sent the IPI yet, and this caller may wait for it.
    return make_vcpu_request(c, v, req | MK_REQ_NO_ACTION, mask, me)


cdef int dispatch(mk_ctx *c, const mk_strategy *s, uint32_t req, const uint64_t *targets) except -1 nogil:
    return call(c, req, targets, steps)


cdef mk_strategy table
table.abi = MK_ABI
table.size = sizeof(mk_strategy)
table.dispatch = dispatch


class M01(Strategy):
    """Known bug: the IPI is skipped when the request was already made (P2).

    When it is right: with one caller at a time, or where nobody waits.
    """

    name = "m01"
    requires = frozenset({"acknowledges"})

    def native(self):
        """The mk_strategy capsule; its struct is the module's own."""
        return strategy_capsule(&table)
