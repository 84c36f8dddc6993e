"""Sample whether the vCPU runs, then wake it, then send the IPI if it ran: nothing of the vCPU's is written but the bit."""
from libc.stdint cimport int32_t, uint32_t, uint64_t
from minikvm.core.kick cimport get_cpu, kick_many, kick_mask, mask_cpu, mode_needs_ipi, put_cpu, read_cpu, wake_up
from minikvm.core.native cimport strategy_capsule
from minikvm.core.requests cimport make_request
from minikvm.core.world cimport (
    MK_ABI, MK_EV_MODE, MK_PT_KICK_MODE, MK_RELAXED, MK_REQ_NO_ACTION, MK_REQ_NO_WAKEUP, MK_REQ_WAIT, MK_SMP_MB, mk_ctx, mk_fence,
    mk_load32, mk_note, mk_point, mk_strategy, mk_vcpu)
from minikvm.strategies._walk cimport begin_targets, next_target, target_walk

from minikvm.kinds import Strategy


cdef inline int kick_sampled(mk_ctx *c, mk_vcpu *v, uint32_t req, uint64_t *mask, int32_t me) except -1 nogil:
    """vcpu_kick(): 1 when an IPI was asked for."""
    cdef uint32_t mode = 0
    cdef int32_t cpu = -1
    cdef int running
    if not req & MK_REQ_NO_ACTION:
        make_request(c, req, v)
    # The requester's half of the Dekker pair (R10), with a plain look instead of cmpxchg. Pairs with the barriers in vcpu_enter_guest()
    # and in shadow_walk(). The cpu is read after it too, so it is the one of the entry or walk that missed the request.
    mk_fence(c, MK_SMP_MB, b"vcpu_kick")
    mk_load32(c, &v.mode, MK_RELAXED, b"vcpu.mode", &mode)
    running = mode_needs_ipi(mode, req)
    mk_note(c, MK_EV_MODE, v, mode, running)
    mk_point(c, MK_PT_KICK_MODE, v)
    # Sampled before the wake-up, so that a vCPU which this very call makes run is not sent an IPI as well. One that is asleep now
    # has left the guest since the sample, if it was there at all: no IPI.
    if not req & MK_REQ_NO_WAKEUP and wake_up(c, v):
        return 0
    if not running:
        return 0
    read_cpu(c, v, MK_RELAXED, &cpu)
    return mask_cpu(c, v, cpu, me, mask)


cdef int dispatch(mk_ctx *c, const mk_strategy *s, uint32_t req, const uint64_t *targets) except -1 nogil:
    cdef target_walk t
    cdef mk_vcpu *v
    cdef int32_t me = get_cpu(c)
    cdef uint64_t *mask = kick_mask(c)
    cdef int called
    t = begin_targets(c, targets)
    v = next_target(c, &t)
    while v is not NULL:
        kick_sampled(c, v, req, mask, me)
        v = next_target(c, &t)
    called = kick_many(c, mask, (req & MK_REQ_WAIT) != 0)
    put_cpu(c)
    return called


cdef mk_strategy table
table.abi = MK_ABI
table.size = sizeof(mk_strategy)
table.dispatch = dispatch


class Sampled(Strategy):
    """Sample whether it is running, wake it, send the IPI if it was running.

    Source: Xen, xen/common/sched/core.c, vcpu_kick(): running = v->is_running; vcpu_unblock(v); then smp_send_event_check_cpu().
    Xen 4.17.

    When it is right: always; the barrier between bit and sample is Xen's as well (a locked bit operation and an explicit barrier).
    Cost: the mode never moves to EXITING_GUEST_MODE, so every kicker that comes before the guest is out sends an IPI of its own, where
    `upstream` sends one. In return the vCPU's mode is only read: its line is not taken away for a vCPU that needs no IPI.
    """

    name = "sampled"
    requires = frozenset({"acknowledges"})

    def native(self):
        """The mk_strategy capsule; its struct is the module's own."""
        return strategy_capsule(&table)
