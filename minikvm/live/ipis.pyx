"""Sending IPIs: all targets are marked pending first, then each one's acknowledgement is awaited."""
from libc.stdint cimport int32_t, uint32_t, uint64_t
from minikvm.core.world cimport (
    MK_ACQUIRE, MK_ADD, MK_IPI_LATE, MK_IPI_LOST, MK_OR, MK_PT_IPI_SEND, MK_RELAXED, MK_SEQ_CST, mk_bare_load32, mk_bare_rmw32,
    mk_bare_rmw64, mk_bare_store32, mk_cpu_relax, mk_ctx, mk_point, mk_prefetchw)
from minikvm.core.bits cimport ctz64, popcount64
from minikvm.live.slots cimport await_slot, interrupt, service, set_where
from minikvm.live.state cimport P_CALL, P_IRQS, P_RESCHED, W_AWAIT_ACK, W_HOST, lctx, live_t, pcpu_t, slot_of

cdef enum:
    ACK_POLLS = 200  # looks for an acknowledgement before sleeping: some microseconds, less than a sleep and a wake-up take


cdef int taken(mk_ctx *c, live_t *l, pcpu_t *p, uint32_t bits) except -1 nogil:
    """Do the injectors take this IPI: to bring it later by the wire thread, or never? 1, or 0 when it goes through now."""
    cdef int verdict
    c.point_pcpu = <int32_t>p.idx
    verdict = mk_point(c, MK_PT_IPI_SEND, NULL)
    c.point_pcpu = -1
    if verdict == MK_IPI_LATE and mk_bare_load32(&l.late, MK_RELAXED):
        if not mk_bare_rmw32(&p.late_bits, MK_OR, MK_SEQ_CST, bits, 0):
            mk_bare_rmw32(&l.in_flight, MK_ADD, MK_SEQ_CST, 1, 0)
        return 1
    return verdict == MK_IPI_LOST


cdef inline void expect(pcpu_t *own, uint32_t n) noexcept nogil:
    """*n* more acknowledgements will be awaited on this thread's slot."""
    # Only this thread adds, and who takes off was counted in before. So at 0 nobody else writes, and a store will do; that it comes before
    # the subtraction is by the fetch_or on call_from, next in queue(): pairs with the exchange in service() and acknowledge().
    if mk_bare_load32(&own.acks_left, MK_RELAXED) == 0:
        mk_bare_store32(&own.acks_left, MK_RELAXED, n)
    else:
        mk_bare_rmw32(&own.acks_left, MK_ADD, MK_RELAXED, n, 0)


cdef inline void queue(pcpu_t *own, pcpu_t *p) noexcept nogil:
    """Slot *own* awaits an acknowledgement of *p*. Before the interrupt is raised."""
    # Pairs with the exchange in service() and in acknowledge().
    mk_bare_rmw64(&p.call_from[own.word], MK_OR, MK_SEQ_CST, own.bit, 0)


cdef int call_several(lctx *t, const uint64_t *mask, int wait) except -1 nogil:
    """call_many() for any number of targets, in a VM of any size, with or without injectors."""
    cdef live_t *l = t.l
    cdef pcpu_t *own = t.slot
    cdef pcpu_t *p
    cdef uint64_t word
    cdef uint32_t w
    for w in range(l.vm.mask_words):
        word = mask[w] & l.vm.online[w]
        if own is not NULL and w == own.word:
            word &= ~own.bit
        if word and wait and own is not NULL:
            expect(own, popcount64(word))
        while word:
            p = slot_of(l, w * 64 + ctz64(word))
            word &= word - 1
            if word:  # the next slot's line comes while this one's is worked on
                mk_prefetchw(&slot_of(l, w * 64 + ctz64(word)).pending)
            if wait and own is not NULL:
                queue(own, p)
            if t.c.world == NULL or not taken(&t.c, l, p, P_CALL):
                interrupt(&t.c, l, p, P_CALL)
    return 0


cdef int call_many(mk_ctx *c, const uint64_t *mask, int wait) except -1 nogil:
    cdef lctx *t = <lctx *>c
    cdef live_t *l = t.l
    cdef pcpu_t *own = t.slot
    cdef pcpu_t *p
    cdef uint64_t word
    # The short way: a task or vCPU calls one pCPU and waits for it.
    if c.vm.mask_words != 1 or c.world != NULL or own is NULL or not wait:
        return call_several(t, mask, wait)
    word = mask[0] & c.vm.online[0] & ~own.bit  # smp_call_function_many() never interrupts the current CPU
    if word & (word - 1) or word == 0:
        return call_several(t, mask, wait)
    p = slot_of(l, ctz64(word))
    expect(own, 1)
    queue(own, p)
    return interrupt(c, l, p, P_CALL)


cdef int call_wait(mk_ctx *c) except -1 nogil:
    """Every acknowledgement, while serving one's own slot: two vCPUs that flush each other must not deadlock."""
    cdef lctx *t = <lctx *>c
    cdef pcpu_t *p = t.slot
    cdef int spins = 0
    cdef bint waiting = False
    if p is NULL:
        return 0
    while mk_bare_load32(&p.acks_left, MK_ACQUIRE):  # pairs with the release in answer()
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
    cdef live_t *l = (<lctx *>c).l
    cdef pcpu_t *p = slot_of(l, <uint32_t>pcpu)
    if c.world == NULL or not taken(c, l, p, P_RESCHED):
        interrupt(c, l, p, P_RESCHED)
    return 0
