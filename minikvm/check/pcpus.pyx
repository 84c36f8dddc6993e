"""The checked machine. What of a real one it keeps, and what it leaves out: docs/check.md, "The machine"."""
from libc.stdint cimport int32_t, uint64_t
from minikvm.check.environment cimport (
    m_delay, m_handle, m_migrate, m_preempt, m_spurious_ipi, m_spurious_wakeup, m_wake, m_walk, undeclared)
from minikvm.check.explorer cimport AWAIT_ANY, AWAIT_EQ, AWAIT_NE, OP_LOCK, OP_OR_IF
from minikvm.check.graph cimport EF_AWAIT, EF_MUST, EF_NORETURN, EF_RMW, EV_FENCE, EV_READ, EV_WRITE
from minikvm.check.scene cimport (
    ACTOR_VCPU, LC_ACKS, LC_REQUESTS, LC_RUN, LC_SLOT, LC_WAIT, NOTE_HANDLED, NOTE_IPI, NOTE_MASK, NOTE_RESTS, NOTE_SLEEPS,
    NOTE_WAITS_GATE, SLOT_CALLS, SLOT_KICK, SLOT_RESCHED, SLOT_TAKEN, access, at, choose, kthread, scene, tell)
from minikvm.core.bits cimport ctz64
from minikvm.core.entry cimport entry_unannounced, shadow_walk, vcpu_load, vcpu_put
from minikvm.core.world cimport (
    MK_ABI, MK_ACQUIRE, MK_ACQ_REL, MK_AND, MK_CMPXCHG, MK_FULL, MK_IPI_LOST, MK_OR, MK_PT_IPI_SEND, MK_RELAXED, MK_RELEASE, MK_SMP_MB,
    MK_XCHG, mk_atomic64, mk_ctx, mk_machine, mk_point, mk_vcpu)

from minikvm.check.scope import ScopeError


cdef int too_many_sends() except -1 nogil:
    with gil:
        raise ScopeError("the scope is too large: more IPI sends in one execution than the 57 that a slot can tell apart")


cdef int slot_rmw(kthread *k, int32_t pcpu, int op, int order, uint64_t operand, uint64_t expected, const char *name,
                  uint64_t *old) except -1 nogil:
    return access(k, EV_READ, EF_RMW, op, order, at(k.s, LC_SLOT, pcpu), operand, expected, name, old)


# ---- the receiver's side ----

cdef int handle_ipis(kthread *k, uint64_t bits) except -1 nogil:
    """The handler: acknowledge each send that is waited for. On the thread that holds the pCPU."""
    cdef uint64_t old = 0
    cdef int send
    if bits == 0:
        return 0
    if bits & SLOT_RESCHED:
        k.c.need_resched = 1
    tell(k, NOTE_HANDLED, k.c.pcpu, bits, 0)
    bits >>= SLOT_CALLS
    while bits:
        send = ctz64(bits)
        bits &= bits - 1
        if send >= k.s.membarriers:
            access(k, EV_FENCE, 0, MK_SMP_MB, MK_RELAXED, -1, 0, 0, b"membarrier", &old)
        # csd_unlock()'s release. Pairs with the acquire of call_wait().
        access(k, EV_READ, EF_RMW | EF_NORETURN, MK_OR, MK_RELEASE, at(k.s, LC_ACKS, send), (<uint64_t>1) << k.c.pcpu, 0, b"acknowledge",
               &old)
    return 0


cdef int service(kthread *k) except -1 nogil:
    """IRQs are on: has something come? A relaxed look, no barrier; one that does not see an IPI yet leaves it in flight."""
    cdef uint64_t seen = 0
    access(k, EV_READ, 0, 0, MK_RELAXED, at(k.s, LC_SLOT, k.c.pcpu), 0, 0, b"pending IPIs", &seen)
    if seen & ~<uint64_t>SLOT_TAKEN:
        slot_rmw(k, k.c.pcpu, MK_AND, MK_ACQ_REL, SLOT_TAKEN, 0, b"take IPIs", &seen)
        handle_ipis(k, seen & ~<uint64_t>SLOT_TAKEN)
    return 0


cdef int barrier_reached(kthread *k) except -1 nogil:
    cdef scene *s = k.s
    cdef uint64_t seen = 0, mine
    if not s.uses_membarrier or k.actor != ACTOR_VCPU:
        return 0
    mine = ~(((<uint64_t>1) << (SLOT_CALLS + s.membarriers)) - 1)
    access(k, EV_READ, 0, 0, MK_RELAXED, at(s, LC_SLOT, k.c.pcpu), 0, 0, b"pending membarriers", &seen)
    if seen & mine:
        slot_rmw(k, k.c.pcpu, MK_AND, MK_ACQ_REL, ~(seen & mine), 0, b"take membarriers", &seen)
        handle_ipis(k, seen & mine)
    return 0


cdef int take_pcpu(kthread *k, int32_t pcpu) except -1 nogil:
    """Load here: from now on IPIs wait for this thread. Where several want the pCPU, its run lock is waited for first."""
    cdef uint64_t old = 0
    cdef scene *s = k.s
    if s.shared_slot[pcpu]:
        slot_rmw(k, pcpu, OP_OR_IF, MK_ACQ_REL, SLOT_RESCHED, SLOT_TAKEN, b"ask for the pCPU", &old)
        access(k, EV_READ, EF_RMW | EF_AWAIT | EF_MUST, OP_LOCK, MK_ACQUIRE, at(s, LC_RUN, pcpu), 0, 0, b"run lock", &old)
    k.c.pcpu = pcpu
    if k.actor == ACTOR_VCPU:
        slot_rmw(k, pcpu, MK_OR, MK_ACQ_REL, SLOT_TAKEN, 0, b"load", &old)
    return 0


cdef int leave_pcpu(kthread *k) except -1 nogil:
    """Put: what is pending is acknowledged, and what comes later finds nobody here."""
    cdef uint64_t old = 0
    cdef int32_t pcpu = k.c.pcpu
    if k.actor == ACTOR_VCPU:
        slot_rmw(k, pcpu, MK_XCHG, MK_ACQ_REL, 0, 0, b"put", &old)
        handle_ipis(k, old & ~<uint64_t>SLOT_TAKEN)
    k.c.need_resched = 0
    if k.s.shared_slot[pcpu]:
        access(k, EV_WRITE, 0, 0, MK_RELEASE, at(k.s, LC_RUN, pcpu), 0, 0, b"run unlock", &old)
    k.c.pcpu = -1
    return 0


cdef int m_irq_disable(mk_ctx *c) except -1 nogil:
    c.irqs_off += 1
    return 0


cdef int m_irq_enable(mk_ctx *c) except -1 nogil:
    cdef kthread *k = <kthread *>c
    c.irqs_off -= 1
    if c.irqs_off == 0 and k.actor == ACTOR_VCPU:
        service(k)
    return 0


cdef int m_work_pending(mk_ctx *c) except -1 nogil:
    # An IPI that is pending with IRQs off is not looked at: the guest that is entered is forced out at once.
    return c.need_resched


cdef int m_enter_guest(mk_ctx *c, mk_vcpu *v) except -1 nogil:
    cdef kthread *k = <kthread *>c
    cdef uint64_t seen = 0
    if not k.committed:
        return entry_unannounced(v)
    if k.s.leaves and choose(k, 2, False, b"the guest leaves on its own"):
        if not k.s.fastpath or k.fast_exits >= k.s.entries or not choose(k, 2, False, b"fast-path exit"):
            return 0
        k.fast_exits += 1  # bounded, as its entries are: a guest that leaves again and again has no last execution
        return 1
    tell(k, NOTE_RESTS, v.idx, 0, 0)
    access(k, EV_READ, EF_AWAIT, AWAIT_ANY, MK_ACQUIRE, at(k.s, LC_SLOT, c.pcpu), ~<uint64_t>SLOT_TAKEN, 0, b"in the guest", &seen)
    return 0


# ---- the sender's side ----

cdef int post(kthread *k, int32_t pcpu, uint64_t bit, int32_t acks) except -1 nogil:
    """Mark a pCPU pending. With nobody loaded there it is acknowledged at once."""
    cdef uint64_t old = 0
    # Queueing the call is a fully ordered exchange (llist_add()); it pairs with the handler's taking of it.
    slot_rmw(k, pcpu, OP_OR_IF, MK_FULL, bit, SLOT_TAKEN, b"send IPI", &old)
    tell(k, NOTE_IPI, pcpu, old & SLOT_TAKEN, bit)
    if old & SLOT_TAKEN and acks >= 0:
        k.acks[k.nacks].location = acks
        k.acks[k.nacks].pcpu = pcpu
        k.nacks += 1
    return 0


cdef int raise_on(kthread *k, int32_t pcpu) except -1 nogil:
    """A device's interrupt: handled when IRQs are on there, or it forces the guest out. Nobody sends it, so it orders nothing."""
    cdef uint64_t old = 0
    slot_rmw(k, pcpu, OP_OR_IF, MK_RELAXED, SLOT_KICK, SLOT_TAKEN, b"device interrupt", &old)
    return tell(k, NOTE_IPI, pcpu, old & SLOT_TAKEN, SLOT_KICK)


cdef int m_call_many(mk_ctx *c, const uint64_t *mask, int wait) except -1 nogil:
    cdef kthread *k = <kthread *>c
    cdef scene *s = k.s
    cdef uint64_t bit = SLOT_KICK
    cdef int32_t acks = -1, p
    cdef int verdict
    tell(k, NOTE_MASK, c.pcpu, mask[0], wait)
    if wait:
        if k.sends >= k.max_sends:
            too_many_sends()
        acks = at(s, LC_ACKS, k.first_send + k.sends)
        bit = (<uint64_t>1) << (SLOT_CALLS + k.first_send + k.sends)
        k.sends += 1
    for p in range(s.all_pcpus):
        if not mask[p >> 6] >> (p & 63) & 1 or p == c.pcpu:
            continue
        c.point_pcpu = p
        verdict = mk_point(c, MK_PT_IPI_SEND, NULL)
        c.point_pcpu = -1
        if verdict == MK_IPI_LOST:
            tell(k, NOTE_IPI, p, 2, bit)
            if wait:
                k.acks[k.nacks].location = acks
                k.acks[k.nacks].pcpu = p
                k.nacks += 1
            continue
        post(k, p, bit, acks)
    return 0


cdef bint step_aside(kthread *k) except -1 nogil:
    """A vCPU waits with IRQs on: its pCPU handles its IPIs meanwhile, as with nobody loaded there. 1: step_back() is to end that."""
    cdef uint64_t old = 0
    if k.actor != ACTOR_VCPU or k.c.irqs_off:
        return False
    slot_rmw(k, k.c.pcpu, MK_XCHG, MK_ACQ_REL, 0, 0, b"wait with IRQs on", &old)
    handle_ipis(k, old & ~<uint64_t>SLOT_TAKEN)
    return True


cdef int step_back(kthread *k) except -1 nogil:
    cdef uint64_t old = 0
    return slot_rmw(k, k.c.pcpu, MK_OR, MK_ACQ_REL, SLOT_TAKEN, 0, b"waited", &old)


cdef int m_call_wait(mk_ctx *c) except -1 nogil:
    """Each acknowledgement in turn."""
    cdef kthread *k = <kthread *>c
    cdef uint64_t old = 0
    cdef int32_t i, pcpu
    cdef bint aside = k.nacks > 0 and step_aside(k)
    for i in range(k.nacks):
        pcpu = k.acks[i].pcpu
        access(k, EV_READ, EF_AWAIT | EF_MUST, AWAIT_ANY, MK_ACQUIRE, k.acks[i].location, (<uint64_t>1) << pcpu, 0, b"acknowledgement",
               &old)
    k.nacks = 0
    if aside:
        step_back(k)
    return 0


cdef int m_reschedule(mk_ctx *c, int32_t pcpu) except -1 nogil:
    cdef kthread *k = <kthread *>c
    cdef int verdict
    c.point_pcpu = pcpu
    verdict = mk_point(c, MK_PT_IPI_SEND, NULL)
    c.point_pcpu = -1
    if verdict == MK_IPI_LOST:
        return tell(k, NOTE_IPI, pcpu, 2, SLOT_KICK)
    return post(k, pcpu, SLOT_KICK, -1)


cdef int m_membarrier(mk_ctx *c) except -1 nogil:
    """A full barrier on every vCPU's thread between the call and its return, and on the caller."""
    cdef kthread *k = <kthread *>c
    cdef scene *s = k.s
    cdef int32_t p, send = k.first_barrier + k.barriers
    cdef uint64_t nothing = 0
    if not s.uses_membarrier:
        undeclared(k, b"membarrier")
    if k.barriers >= k.max_sends:
        too_many_sends()
    k.barriers += 1
    access(k, EV_FENCE, 0, MK_SMP_MB, MK_RELAXED, -1, 0, 0, b"membarrier", &nothing)
    for p in range(s.npcpus):
        if p != c.pcpu:
            post(k, p, (<uint64_t>1) << (SLOT_CALLS + send), at(s, LC_ACKS, send))
    m_call_wait(c)
    return access(k, EV_FENCE, 0, MK_SMP_MB, MK_RELAXED, -1, 0, 0, b"membarrier", &nothing)


# ---- scheduling ----

cdef int32_t other_pcpu(kthread *k) noexcept nogil:
    """Where a vCPU moves: to a pCPU that is nobody's home, if there is one."""
    cdef scene *s = k.s
    if s.npcpus > s.nvcpus:
        return s.nvcpus if k.c.pcpu != s.nvcpus else k.home
    return (k.c.pcpu + 1) % s.npcpus


cdef int move_if_wanted(kthread *k, mk_vcpu *v) except -1 nogil:
    """The host moves the vCPU, at most once, whenever it may be descheduled: each is explored, within the bound of the faults.

    It is this thread's own choice, and no message of the injector's: that would order the move after what its sender did before.
    """
    cdef int32_t to
    if not k.s.migrates or k.migrated or not choose(k, 2, True, b"the host moves it"):
        return 0
    k.migrated = 1
    to = other_pcpu(k)
    vcpu_put(&k.c, v)
    leave_pcpu(k)
    take_pcpu(k, to)
    vcpu_load(&k.c, v)
    if k.s.migrates == 2:
        shadow_walk(&k.c, v)
    return 0


cdef int m_schedule(mk_ctx *c) except -1 nogil:
    cdef kthread *k = <kthread *>c
    cdef int32_t pcpu = c.pcpu
    c.need_resched = 0
    if k.actor == ACTOR_VCPU:
        vcpu_put(c, c.vcpu)
        leave_pcpu(k)
        take_pcpu(k, pcpu)
        return vcpu_load(c, c.vcpu)
    if k.s.shared_slot[pcpu]:
        leave_pcpu(k)
        take_pcpu(k, pcpu)
    return 0


cdef int m_block(mk_ctx *c, mk_vcpu *v) except -1 nogil:
    cdef kthread *k = <kthread *>c
    cdef uint64_t seen = 0
    cdef int32_t pcpu = c.pcpu
    vcpu_put(c, v)
    leave_pcpu(k)
    tell(k, NOTE_SLEEPS, v.idx, 0, 0)
    if k.s.naps and choose(k, 2, False, b"the timer fires"):
        access(k, EV_READ, EF_RMW, MK_CMPXCHG, MK_FULL, at(k.s, LC_WAIT, v.idx), 0, 1, b"vcpu.wait", &seen)
        if seen == 0:  # somebody was faster, and a RMW that fails orders nothing; rcuwait_wait_event()'s next round does
            access(k, EV_FENCE, 0, MK_SMP_MB, MK_RELAXED, -1, 0, 0, b"set_current_state", &seen)
    else:
        access(k, EV_READ, EF_AWAIT, AWAIT_EQ, MK_ACQUIRE, at(k.s, LC_WAIT, v.idx), 0, 0, b"asleep", &seen)
    take_pcpu(k, pcpu)
    return vcpu_load(c, v)


cdef int await_change(kthread *k, mk_vcpu *v, uint64_t seen) except -1 nogil:
    """An aborted entry that consumed nothing waits for a change of what aborted it; for ever, it is P5."""
    cdef uint64_t now = 0
    cdef int32_t pcpu = k.c.pcpu
    cdef bint shared = k.s.shared_slot[pcpu] and k.c.preempt_count == 0, aside = False
    if shared:  # the loop that tries again and again is preempted by whoever else wants to run here
        vcpu_put(&k.c, v)
        leave_pcpu(k)
    else:
        aside = step_aside(k)
    tell(k, NOTE_WAITS_GATE, v.idx, seen, 0)
    access(k, EV_READ, EF_AWAIT, AWAIT_NE, MK_RELAXED, at(k.s, LC_REQUESTS, v.idx), seen, 0, b"vcpu.requests", &now)
    if shared:
        take_pcpu(k, pcpu)
        return vcpu_load(&k.c, v)
    return step_back(k) if aside else 0


cdef int m_await_requests(mk_ctx *c, mk_vcpu *v, uint64_t seen) except -1 nogil:
    return await_change(<kthread *>c, v, seen)


cdef int m_lock_slow(mk_ctx *c, mk_atomic64 *lock) except -1 nogil:
    return 0  # the checked world's lock() waits itself


cdef int m_idle_guest(mk_ctx *c, mk_vcpu *v, uint64_t ns) except -1 nogil:
    return m_enter_guest(c, v)


cdef mk_machine checked_machine
checked_machine.abi = MK_ABI
checked_machine.size = sizeof(mk_machine)
checked_machine.call_many = m_call_many
checked_machine.call_wait = m_call_wait
checked_machine.reschedule = m_reschedule
checked_machine.irq_disable = m_irq_disable
checked_machine.irq_enable = m_irq_enable
checked_machine.schedule = m_schedule
checked_machine.work_pending = m_work_pending
checked_machine.enter_guest = m_enter_guest
checked_machine.block = m_block
checked_machine.wake = m_wake
checked_machine.walk = m_walk
checked_machine.handle = m_handle
checked_machine.await_requests = m_await_requests
checked_machine.membarrier = m_membarrier
checked_machine.lock_slow = m_lock_slow
checked_machine.idle_guest = m_idle_guest
checked_machine.migrate = m_migrate
checked_machine.preempt = m_preempt
checked_machine.delay = m_delay
checked_machine.spurious_ipi = m_spurious_ipi
checked_machine.spurious_wakeup = m_spurious_wakeup
