"""Sending IPIs: all targets are marked pending first, then each one's acknowledgement is awaited."""
from libc.stdint cimport int32_t, uint32_t, uint64_t
from minikvm.core.world cimport (
    MK_ACQUIRE, MK_ADD, MK_IPI_LATE, MK_IPI_LOST, MK_OR, MK_PT_IPI_SEND, MK_RELAXED, MK_SEQ_CST, mk_atomic64, mk_bare_load32,
    mk_bare_rmw32, mk_bare_rmw64, mk_cpu_relax, mk_ctx, mk_point)
from minikvm.core.bits cimport ctz64, popcount64
from minikvm.live.slots cimport await_slot, idle_service, raise_irq, service, set_where
from minikvm.live.state cimport P_CALL, P_HELD, P_IRQS, P_RESCHED, W_AWAIT_ACK, W_HOST, lctx, live_t, pcpu_t, slot_of

cdef enum:
    ACK_POLLS = 200  # looks for an acknowledgement before sleeping: some microseconds, less than a sleep and a wake-up take


cdef int taken(mk_ctx *c, live_t *l, uint32_t pcpu, uint32_t bits) except -1 nogil:
    """Do the injectors take this IPI: to bring it later by the wire thread, or never? 1, or 0 when it goes through now."""
    cdef pcpu_t *p = slot_of(l, pcpu)
    cdef int verdict
    c.point_pcpu = <int32_t>pcpu
    verdict = mk_point(c, MK_PT_IPI_SEND, NULL)
    c.point_pcpu = -1
    if verdict == MK_IPI_LATE and mk_bare_load32(&l.late, MK_RELAXED):
        if not mk_bare_rmw32(&p.late_bits, MK_OR, MK_SEQ_CST, bits, 0):
            mk_bare_rmw32(&l.in_flight, MK_ADD, MK_SEQ_CST, 1, 0)
        return 1
    return verdict == MK_IPI_LOST


cdef inline int deliver(mk_ctx *c, live_t *l, uint32_t pcpu, uint32_t bits) except -1 nogil:
    """One IPI."""
    cdef pcpu_t *p = slot_of(l, pcpu)
    if c.world != NULL and taken(c, l, pcpu, bits):
        return 0
    if not raise_irq(c, l, p, bits) & P_HELD:
        idle_service(c, l, p)
    return 0


cdef int call_many(mk_ctx *c, const uint64_t *mask, int wait) except -1 nogil:
    cdef live_t *l = (<lctx *>c).l
    cdef uint32_t words = l.vm.mask_words
    cdef bint held = c.pcpu >= 0
    cdef uint32_t mine = <uint32_t>c.pcpu >> 6 if held else words
    cdef uint64_t bit = (<uint64_t>1) << (c.pcpu & 63)
    cdef uint64_t word
    cdef uint32_t w, pcpu
    for w in range(words):
        word = mask[w] & l.vm.online[w]
        if w == mine:
            word &= ~bit  # smp_call_function_many() never interrupts the current CPU
        if word and wait and held:
            mk_bare_rmw32(&slot_of(l, c.pcpu).acks_left, MK_ADD, MK_SEQ_CST, popcount64(word) if word & (word - 1) else 1, 0)
        while word:
            pcpu = w * 64 + ctz64(word)
            word &= word - 1
            if wait and held:
                # Queued before the interrupt is raised: pairs with the exchange in acknowledge().
                mk_bare_rmw64(<mk_atomic64 *>&l.call_from[<size_t>pcpu * words + mine], MK_OR, MK_SEQ_CST, bit, 0)
            deliver(c, l, pcpu, P_CALL)
    return 0


cdef int call_wait(mk_ctx *c) except -1 nogil:
    """Every acknowledgement, while serving one's own slot: two vCPUs that flush each other must not deadlock."""
    cdef lctx *t = <lctx *>c
    cdef pcpu_t *p
    cdef int spins = 0
    cdef bint waiting = False
    if c.pcpu < 0:
        return 0
    p = slot_of(t.l, c.pcpu)
    if mk_bare_load32(&p.acks_left, MK_ACQUIRE) == 0:  # pairs with the release in acknowledge()
        return 0
    while mk_bare_load32(&p.acks_left, MK_ACQUIRE):
        if mk_bare_load32(&t.l.vm.stopping, MK_RELAXED):
            t.call.aborted = 1
            break
        if mk_bare_load32(&p.pending, MK_RELAXED) & P_IRQS:
            service(t)
        elif spins < ACK_POLLS:
            spins += 1
            mk_cpu_relax()
        else:
            if not waiting:  # only a wait that is worth a sleep is one for the watchdog
                set_where(t, W_AWAIT_ACK)
                waiting = True
            await_slot(t, p, &p.acks_left, t.l.beat_ns)
    if waiting:
        set_where(t, W_HOST)
    return 0


cdef int reschedule(mk_ctx *c, int32_t pcpu) except -1 nogil:
    return deliver(c, (<lctx *>c).l, <uint32_t>pcpu, P_RESCHED)
