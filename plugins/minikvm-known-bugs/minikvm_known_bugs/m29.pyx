# cython: language_level=3
"""M29: READING_SHADOW_PAGE_TABLES is treated as OUTSIDE_GUEST_MODE. A flush does not wait for the walker, and the page is freed."""
from libc.stdint cimport int32_t, uint32_t, uint64_t
from minikvm.core.kick cimport exiting_guest_mode, mask_cpu, mode_needs_ipi, read_cpu, wake_up
from minikvm.core.native cimport strategy_capsule
from minikvm.core.requests cimport make_request
from minikvm.core.world cimport (
    MK_ABI, MK_EV_MODE, MK_PT_KICK_MODE, MK_READING_SHADOW_PAGE_TABLES, MK_RELAXED, MK_REQ_NO_ACTION, MK_REQ_NO_WAKEUP, mk_ctx, mk_note,
    mk_point, mk_strategy, mk_vcpu)
from minikvm_known_bugs._call cimport call

from minikvm.kinds import Strategy


cdef int steps(mk_ctx *c, mk_vcpu *v, uint32_t req, uint64_t *mask, int32_t me) except -1 nogil:
    cdef uint32_t mode = 0
    cdef int32_t cpu = -1
    cdef int needs
    if not req & MK_REQ_NO_ACTION:
        make_request(c, req, v)
    if not req & MK_REQ_NO_WAKEUP and wake_up(c, v):
        return 0
    exiting_guest_mode(c, v, &mode)
    # The bug, not to be repaired: the walker is not in the guest, so it is left alone, although the caller waits.
    needs = mode_needs_ipi(mode, req) and mode != MK_READING_SHADOW_PAGE_TABLES
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


class M29(Strategy):
    """Known bug: a call that waits sends no IPI to a vCPU that reads shadow page tables (P4).

    When it is right: without shadow paging.
    """

    name = "m29"
    requires = frozenset({"acknowledges"})

    def native(self):
        """The mk_strategy capsule; its struct is the module's own."""
        return strategy_capsule(&table)
