"""The environment of the live VM, for race injectors: the host's scheduler, its timers and its spurious interrupts."""
from libc.stdint cimport int32_t, uint32_t, uint64_t
from minikvm.core.world cimport (
    MK_ACQUIRE, MK_CMPXCHG, MK_CTX_TASK, MK_CTX_VCPU, MK_FULL, MK_RELAXED, MK_SEQ_CST, mk_bare_load32, mk_bare_load64, mk_bare_rmw32,
    mk_bare_store32, mk_cpu_relax, mk_ctx, mk_random, mk_vcpu)
from minikvm.live.os cimport os_futex_wake, os_now, os_sleep
from minikvm.live.slots cimport interrupt
from minikvm.live.state cimport (
    P_RESCHED, P_TICK, PH_GUEST, PH_WALK, bump, lctx, live_t, slot_of)

# ns that a kicker is held up at most while its target moves: until it has left the guest, for which it needs nobody but a host CPU; and
# then, since it may be waiting for this very kicker.
cdef uint64_t EXIT_PATIENCE = 1000000000
cdef uint64_t MOVE_PATIENCE = 50000000


cdef int migrate(mk_ctx *c, mk_vcpu *v, int walk) except -1 nogil:
    """The host's scheduler moves v off its pCPU; the caller is held up until v runs on the new one, or cannot.

    Nothing where v is the caller, is pinned, is not loaded, or has nowhere to go (the caller's own pCPU is taken).
    """
    cdef lctx *t = <lctx *>c
    cdef live_t *l = t.l
    cdef lctx *target = <lctx *>v.priv
    cdef int32_t old = <int32_t>mk_bare_load32(&v.cpu, MK_RELAXED)
    cdef uint32_t to = 0
    cdef uint32_t _tries
    cdef uint64_t end, phase
    cdef uint64_t entry
    cdef bint inside
    if target is NULL or target is t or target.home >= 0 or old < 0 or <uint32_t>old >= l.vm.nr_pcpus or l.nr_used < 2 or old == c.pcpu:
        return 0
    for _tries in range(8):
        to = l.used[mk_random(c) % l.nr_used]
        if <int32_t>to != old and <int32_t>to != c.pcpu:
            break
    else:
        return 0
    entry = mk_bare_load64(&target.epoch, MK_ACQUIRE)
    inside = (entry & 3) == PH_GUEST
    if mk_bare_rmw32(&target.migrate_to, MK_CMPXCHG, MK_SEQ_CST, to + 1, 0) != 0:
        return 0  # somebody else moves it already
    if walk:
        mk_bare_store32(&target.walk_due, MK_SEQ_CST, 1)
    interrupt(c, l, slot_of(l, <uint32_t>old), P_TICK)
    end = os_now() + (EXIT_PATIENCE if inside else MOVE_PATIENCE)
    while os_now() < end and not mk_bare_load32(&l.vm.stopping, MK_RELAXED):
        phase = mk_bare_load64(&target.epoch, MK_ACQUIRE)
        if inside and phase != entry:
            inside = False
            end = os_now() + MOVE_PATIENCE
        phase &= 3
        if <uint32_t>mk_bare_load32(&v.cpu, MK_ACQUIRE) == to and (phase == PH_GUEST or phase == PH_WALK):
            break
        os_sleep(5000)
        bump(&t.beat, 1)  # held up, and no deadlock
    return 1


cdef int preempt(mk_ctx *c) except -1 nogil:
    """Deschedule the caller: here if it may be, else where preemption and IRQs are on again."""
    if c.pcpu < 0 or not (c.kind == MK_CTX_VCPU or c.kind == MK_CTX_TASK):
        return 0
    c.need_resched = 1
    if c.preempt_count == 0 and c.irqs_off == 0:
        c.vm.machine.schedule(c)
    return 1


cdef int delay(mk_ctx *c, uint64_t ns) except -1 nogil:
    """Hold the caller up."""
    cdef uint64_t end
    if ns >= 50000:
        os_sleep(ns)
        return 1
    end = os_now() + ns
    while os_now() < end:
        mk_cpu_relax()
    return 1


cdef int spurious_ipi(mk_ctx *c, int32_t pcpu) except -1 nogil:
    """A reschedule IPI that nobody asked for; -1: to any pCPU."""
    cdef live_t *l = (<lctx *>c).l
    cdef uint32_t to = <uint32_t>pcpu if pcpu >= 0 else l.used[mk_random(c) % l.nr_used]
    interrupt(c, l, slot_of(l, to), P_RESCHED)
    return 1


cdef int spurious_wakeup(mk_ctx *c, mk_vcpu *v) except -1 nogil:
    """Wake a sleeper without a cause; NULL: any that is found among a few."""
    cdef live_t *l = (<lctx *>c).l
    cdef uint32_t tries = 1 if v is not NULL else 8
    while tries:
        tries -= 1
        if v is NULL:
            v = &l.vm.vcpus[mk_random(c) % l.vm.nr_vcpus]
        if mk_bare_load32(&v.wait, MK_RELAXED) and mk_bare_rmw32(&v.wait, MK_CMPXCHG, MK_FULL, 0, 1) == 1:
            os_futex_wake(&v.wait, 1)
            return 1
        v = NULL
    return 0
