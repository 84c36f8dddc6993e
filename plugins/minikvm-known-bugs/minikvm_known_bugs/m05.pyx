# cython: language_level=3
"""M05: no full barrier between the request's bit and the compare-and-exchange of the mode, which orders nothing when it fails."""
from libc.stdint cimport int32_t, uint32_t, uint64_t
from minikvm.core.kick cimport mask_cpu, mode_needs_ipi, read_cpu, wake_up
from minikvm.core.native cimport strategy_capsule
from minikvm.core.requests cimport make_request
from minikvm.core.world cimport (
    MK_ABI, MK_CMPXCHG, MK_EV_MODE, MK_EXITING_GUEST_MODE, MK_FULL, MK_IN_GUEST_MODE, MK_PT_KICK_MODE, MK_RELAXED, MK_REQ_NO_ACTION,
    MK_REQ_NO_WAKEUP, mk_ctx, mk_note, mk_point, mk_rmw32, mk_strategy, mk_vcpu)
from minikvm_known_bugs._call cimport call

from minikvm.kinds import Strategy


cdef int steps(mk_ctx *c, mk_vcpu *v, uint32_t req, uint64_t *mask, int32_t me) except -1 nogil:
    cdef uint32_t mode = 0
    cdef int32_t cpu = -1
    cdef int needs
    if not req & MK_REQ_NO_ACTION:
        make_request(c, req, v)
    if not req & MK_REQ_NO_WAKEUP and wake_up(c, v):  # has a barrier of its own: the bug shows with NO_WAKEUP
        return 0
    # The bug, not to be repaired: exiting_guest_mode() without its barrier. If the mode is not IN_GUEST_MODE, this is a relaxed read.
    mk_rmw32(c, &v.mode, MK_CMPXCHG, MK_FULL, b"vcpu.mode", MK_EXITING_GUEST_MODE, MK_IN_GUEST_MODE, &mode)
    needs = mode_needs_ipi(mode, req)
    mk_note(c, MK_EV_MODE, v, mode, needs)
    mk_point(c, MK_PT_KICK_MODE, v)
    if not needs:
        return 0
    read_cpu(c, v, MK_RELAXED, &cpu)
    return mask_cpu(c, v, cpu, me, mask)


cdef int dispatch(mk_ctx *c, const mk_strategy *s, uint32_t req, const uint64_t *targets) except -1 nogil:
    return call(c, req, targets, steps)


cdef mk_strategy table
table.abi = MK_ABI
table.size = sizeof(mk_strategy)
table.dispatch = dispatch


class M05(Strategy):
    """Known bug: no full barrier between set_bit() and the exchange of the mode (P1).

    When it is right: under sc and tso, where set_bit() is a locked instruction.
    """

    name = "m05"
    requires = frozenset({"acknowledges"})

    def native(self):
        """The mk_strategy capsule; its struct is the module's own."""
        return strategy_capsule(&table)
