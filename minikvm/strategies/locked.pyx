"""A spin lock for each vCPU: the kicker looks at mode and cpu under it, and the vCPU passes through it on its way into the guest.

Why it is right, with neither a full barrier in the vCPU nor a step of the mode to EXITING. The vCPU stores mode = IN_GUEST_MODE,
then takes and gives back the lock, then makes its last check. The kicker sets the bit, then holds the lock while it reads mode
and cpu. One critical section comes first:
- the vCPU's: what it stored before (cpu at the load, mode) is released by its unlock and acquired by the kicker's lock: the kicker
  sees IN_GUEST_MODE and the pCPU of this very entry, or what came later;
- the kicker's: its bit is released by its unlock and acquired by the vCPU's lock: the last check sees it, and the entry is aborted.
A walk does not pass through the lock and has a full barrier of its own, so WAIT, which asks about walks, pairs with that one.
"""
from libc.stdint cimport int32_t, uint32_t, uint64_t
from minikvm.core.kick cimport get_cpu, kick_many, kick_mask, mask_cpu, mode_needs_ipi, put_cpu, wake_up
from minikvm.core.native cimport strategy_capsule
from minikvm.core.requests cimport make_request
from minikvm.core.world cimport (
    MK_ABI, MK_EV_MODE, MK_PT_KICK_CPU_READ, MK_PT_KICK_MODE, MK_RELAXED, MK_REQ_NO_ACTION, MK_REQ_NO_WAKEUP, MK_REQ_WAIT, MK_SMP_MB,
    mk_ctx, mk_fence, mk_load32, mk_lock, mk_note, mk_point, mk_strategy, mk_unlock, mk_vcpu)
from minikvm.strategies._walk cimport begin_targets, next_target, target_walk

from minikvm.kinds import Strategy


cdef inline int notify_event(mk_ctx *c, mk_vcpu *v, uint32_t req, uint64_t *mask, int32_t me) except -1 nogil:
    """vcpu_notify_event(): 1 when an IPI was asked for."""
    cdef uint32_t mode = 0, cpu = 0
    cdef int needs
    if not req & MK_REQ_NO_ACTION:
        make_request(c, req, v)
    # Outside the lock: wake_up() pairs with vcpu_block() by barriers of its own, whatever the lock does, and calls the machine.
    if not req & MK_REQ_NO_WAKEUP and wake_up(c, v):
        return 0
    if req & MK_REQ_WAIT:
        # Pairs with the barrier in shadow_walk(): this call sees READING and the walk's pCPU, or the walk sees what was changed before.
        mk_fence(c, MK_SMP_MB, b"vcpu_notify_event")
    # Only two loads under the lock. The injectors are asked after it: one that makes the vCPU migrate waits for it, and it may be
    # waiting for this lock.
    mk_lock(c, &v.strategy, b"vcpu.lock")
    mk_load32(c, &v.mode, MK_RELAXED, b"vcpu.mode", &mode)
    needs = mode_needs_ipi(mode, req)
    mk_note(c, MK_EV_MODE, v, mode, needs)
    mk_load32(c, &v.cpu, MK_RELAXED, b"vcpu.cpu", &cpu)
    mk_unlock(c, &v.strategy, b"vcpu.lock")
    mk_point(c, MK_PT_KICK_MODE, v)
    if not needs:
        return 0
    mk_point(c, MK_PT_KICK_CPU_READ, v)
    return mask_cpu(c, v, <int32_t>cpu, me, mask)


cdef int dispatch(mk_ctx *c, const mk_strategy *s, uint32_t req, const uint64_t *targets) except -1 nogil:
    cdef target_walk t
    cdef mk_vcpu *v
    cdef int32_t me = get_cpu(c)  # also: who is descheduled with the lock held makes every other kicker and the vCPU spin
    cdef uint64_t *mask = kick_mask(c)
    cdef int called
    t = begin_targets(c, targets)
    v = next_target(c, &t)
    while v is not NULL:
        notify_event(c, v, req, mask, me)
        v = next_target(c, &t)
    called = kick_many(c, mask, (req & MK_REQ_WAIT) != 0)  # no lock is held any more: this may wait
    put_cpu(c)
    return called


cdef int enter_barrier(mk_ctx *c, const mk_strategy *s, mk_vcpu *v) except -1 nogil:
    """The vCPU's critical section, empty on purpose: only its place before or after the kicker's counts (head of this file)."""
    mk_lock(c, &v.strategy, b"vcpu.lock")
    mk_unlock(c, &v.strategy, b"vcpu.lock")
    return 0


cdef mk_strategy table
table.abi = MK_ABI
table.size = sizeof(mk_strategy)
table.dispatch = dispatch
table.enter_barrier = enter_barrier


class Locked(Strategy):
    """A lock for each vCPU instead of barriers: the kicker looks at the vCPU's state under it, the entry passes through it.

    Source: bhyve, sys/amd64/vmm/vmm.c, vcpu_notify_event() and vcpu_set_state(), FreeBSD 14: a spin lock a vCPU, hostcpu and state
    change under it.

    When it is right: always, under every memory model, by the lock's acquire and release alone. Cost: two more locked operations a
    target, one for each guest entry, and whoever holds the lock makes the others spin. The mode is only looked at: two kickers
    that find the same guest both send an IPI, where `upstream` sends one.
    """

    name = "locked"
    requires = frozenset({"acknowledges"})

    def native(self):
        """The mk_strategy capsule; its struct is the module's own."""
        return strategy_capsule(&table)
