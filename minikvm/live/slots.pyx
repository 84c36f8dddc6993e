"""pCPU slots: who runs on one, and how interrupts reach it.

All that matters is in one word, ``pcpu_t.pending``: what came in, whether somebody holds the slot, and how the holder waits. A holder
enters the guest, or sleeps, by a compare-and-swap from "held, nothing pending" to "held, waiting"; who raises an interrupt sets its
bit with one atomic operation and learns from the old value how to wake the holder. So there is no flag that is tested and then slept on.
"""
from libc.stdint cimport uint32_t, uint64_t
from minikvm.core.bits cimport ctz64
from minikvm.core.world cimport (
    MK_ACQ_REL, MK_ACQUIRE, MK_ADD, MK_AND, MK_CMPXCHG, MK_OR, MK_PT_IRQ_HANDLED, MK_RELAXED, MK_RELEASE, MK_SEQ_CST, MK_XCHG,
    mk_atomic32, mk_bare_load32, mk_bare_load64, mk_bare_rmw32, mk_bare_rmw64, mk_bare_store32, mk_bare_store64,
    mk_ctx, mk_point)
from minikvm.live.os cimport os_futex_wait, os_futex_wake, os_now, pthread_mutex_lock, pthread_mutex_unlock
from minikvm.live.state cimport (
    N_IPIS_HANDLED, P_ACKS, P_AWAIT, P_CALL, P_GUEST, P_HELD, P_IRQS, P_STOP, P_TICK, P_WORK, W_HOST, W_RUNQ, bump, lctx, live_t,
    pcpu_t, slot_of)

cdef uint64_t NOT_BEGUN = <uint64_t>-1  # slice_end of a slot that its holder has not taken over yet


cdef uint32_t raise_irq(mk_ctx *c, live_t *l, pcpu_t *p, uint32_t bits) except? 0xffffffff nogil:
    """Mark the slot pending and make its holder look. Returns the old pending word."""
    # seq_cst: the sender's stores before it are seen by the handler; pairs with the fetch_and in service(), and with the
    # compare-and-swaps in enter_guest() and await_slot().
    cdef uint32_t old = mk_bare_rmw32(&p.pending, MK_OR, MK_SEQ_CST, bits, 0)
    if old & P_GUEST:
        if not old & P_IRQS:  # whoever set the first bit rings; the holder looks at all of them
            l.backend.ring(l.backend, c, &p.bell)
    elif old & P_AWAIT:
        os_futex_wake(&p.pending, 1)
    return old


cdef int interrupt_others(mk_ctx *c, live_t *l, pcpu_t *p, uint32_t bits) except -1 nogil:
    """One IPI to a slot whose holder is not in the guest, or has something pending already."""
    if not raise_irq(c, l, p, bits) & P_HELD:
        idle_service(c, l, p)
    return 0


cdef inline int answer(mk_ctx *c, live_t *l, pcpu_t *sender) except -1 nogil:
    """A call of *sender* was served."""
    # Release: what this pCPU did before is seen by the sender that reads 0 in call_wait(). seq_cst: pairs with await_slot().
    if mk_bare_rmw32(&sender.acks_left, MK_ADD, MK_SEQ_CST, <uint32_t>-1, 0) == 1:
        if mk_bare_load32(&sender.pending, MK_SEQ_CST) & P_AWAIT:
            return interrupt_others(c, l, sender, P_ACKS)
    return 0


cdef int answer_several(mk_ctx *c, live_t *l, uint32_t first, uint64_t word) except -1 nogil:
    """The callers of one word of call_from, the first of which is slot *first*."""
    while word:
        answer(c, l, slot_of(l, first + ctz64(word)))
        word &= word - 1
    return 0


cdef int acknowledge(mk_ctx *c, live_t *l, pcpu_t *p) except -1 nogil:
    """Tell every slot whose bit is in this slot's call_from that its call was served."""
    cdef uint32_t w
    for w in range(l.vm.mask_words):  # of many words most are empty, and a look is cheap
        if mk_bare_load64(&p.call_from[w], MK_RELAXED):
            answer_several(c, l, w * 64, mk_bare_rmw64(&p.call_from[w], MK_XCHG, MK_ACQ_REL, 0, 0))
    return 0


cdef int idle_service(mk_ctx *c, live_t *l, pcpu_t *p) except -1 nogil:
    """Nobody holds the slot: its IPIs are acknowledged at once, under the hand-over lock."""
    cdef uint32_t irqs = 0
    pthread_mutex_lock(&p.lock)
    if not mk_bare_load32(&p.pending, MK_ACQUIRE) & P_HELD:
        irqs = mk_bare_rmw32(&p.pending, MK_AND, MK_ACQ_REL, <uint32_t>~(P_IRQS & ~P_WORK), 0)
    pthread_mutex_unlock(&p.lock)
    if irqs & P_CALL:
        acknowledge(c, l, p)
    return 0


cdef int wake_work(pcpu_t *p) except -1 nogil:
    """An interrupt-context initiator waits for a holder that has gone: let it look again."""
    cdef lctx *t = <lctx *>mk_bare_load64(&p.work, MK_ACQUIRE)
    if t is not NULL:
        os_futex_wake(&t.done, 1)
    return 0


cdef inline void grant(pcpu_t *p, lctx *t) noexcept nogil:
    """Under p.lock: the slot is t's. Its timeslice begins in own(), when the host runs it: else two that share a slot on a busy host could
    take it from each other for ever, before either has run."""
    mk_bare_store64(&p.slice_end, MK_RELAXED, NOT_BEGUN)
    mk_bare_store64(&p.holder, MK_RELEASE, <uint64_t>t)


cdef void enqueue(lctx *t, pcpu_t *p) noexcept nogil:
    """Under p.lock. Tasks queue in front of vCPUs, behind other tasks."""
    cdef lctx **at = &p.head
    t.next = NULL
    if t.front:
        while at[0] is not NULL and at[0].front:
            at = &at[0].next
        t.next = at[0]
        at[0] = t
        if t.next is NULL:
            p.tail = t
    elif p.head is NULL:
        p.head = p.tail = t
    else:
        p.tail.next = t
        p.tail = t


cdef int own(lctx *t, pcpu_t *p) except -1 nogil:
    """The slot is this thread's from here on."""
    t.c.pcpu = p.idx
    t.slot = p
    t.c.need_resched = 0
    t.last_pcpu = p.idx
    mk_bare_store64(&p.slice_end, MK_RELAXED, os_now() + t.l.slice_ns)
    # seq_cst: pairs with raise_irq(): a ringer that reads the old tid has set its bit before, and this thread's next
    # compare-and-swap into the guest or into a wait sees that bit.
    mk_bare_store32(&p.bell.tid, MK_SEQ_CST, t.tid)
    set_where(t, W_HOST)
    return 1


cdef int take(lctx *t, pcpu_t *p) except -1 nogil:
    """Wait for the slot. 1 when this thread holds it, 0 when the VM stops instead."""
    cdef uint64_t now, end, wait
    cdef bint granted = False
    cdef bint first
    if mk_bare_load32(&t.l.vm.stopping, MK_RELAXED):
        return 0
    pthread_mutex_lock(&p.lock)
    if not mk_bare_load32(&p.pending, MK_RELAXED) & P_HELD:
        mk_bare_rmw32(&p.pending, MK_OR, MK_ACQ_REL, P_HELD, 0)
        grant(p, t)
        granted = True
    else:
        mk_bare_store32(&t.run, MK_RELAXED, 0)
        enqueue(t, p)
        mk_bare_rmw32(&p.nr_queued, MK_ADD, MK_RELAXED, 1, 0)
    pthread_mutex_unlock(&p.lock)
    if granted:
        return own(t, p)
    set_where(t, W_RUNQ)
    if t.front:
        raise_irq(&t.c, t.l, p, P_TICK)
    while not mk_bare_load32(&t.run, MK_ACQUIRE):
        if mk_bare_load32(&t.l.vm.stopping, MK_RELAXED):
            return 0
        # The first in the queue is the slot's timer: a holder that entered the guest before anybody queued sets none.
        now = os_now()
        wait = t.l.beat_ns
        pthread_mutex_lock(&p.lock)
        first = p.head is t
        end = mk_bare_load64(&p.slice_end, MK_RELAXED)  # the present holder's
        pthread_mutex_unlock(&p.lock)
        if first:
            if end == NOT_BEGUN:
                wait = min(wait, t.l.slice_ns)
            elif now >= end:
                raise_irq(&t.c, t.l, p, P_TICK)
                wait = t.l.slice_ns
            elif end - now < wait:
                wait = end - now
        os_futex_wait(&t.run, 0, wait)
        bump(&t.beat, 1)
    return own(t, p)


cdef int give(lctx *t) except -1 nogil:
    """Give the slot up: to the first in the queue, else to nobody."""
    cdef pcpu_t *p = t.slot
    cdef lctx *next_one
    cdef uint32_t old
    service(t)
    mk_bare_store32(&p.bell.tid, MK_RELAXED, 0)
    t.c.pcpu = -1
    t.slot = NULL
    pthread_mutex_lock(&p.lock)
    mk_bare_store64(&p.tenures, MK_RELAXED, mk_bare_load64(&p.tenures, MK_RELAXED) + 1)
    next_one = p.head
    if next_one is not NULL:
        p.head = next_one.next
        if p.head is NULL:
            p.tail = NULL
        mk_bare_rmw32(&p.nr_queued, MK_ADD, MK_RELAXED, <uint32_t>-1, 0)
        grant(p, next_one)
        if p.head is NULL or not p.head.front:
            mk_bare_rmw32(&p.pending, MK_AND, MK_ACQ_REL, <uint32_t>~P_TICK, 0)
        pthread_mutex_unlock(&p.lock)
        mk_bare_store32(&next_one.run, MK_RELEASE, 1)
        os_futex_wake(&next_one.run, 1)
        return 0
    mk_bare_store64(&p.holder, MK_RELEASE, 0)
    old = mk_bare_rmw32(&p.pending, MK_AND, MK_ACQ_REL, <uint32_t>~(P_HELD | P_TICK), 0)
    pthread_mutex_unlock(&p.lock)
    if old & (P_IRQS & ~P_TICK):  # a sender that still saw a holder: nobody else will acknowledge
        idle_service(&t.c, t.l, p)
    if old & P_WORK:
        wake_work(p)
    return 0


cdef int service(lctx *t) except -1 nogil:
    """Handle what is pending on this thread's slot; IRQs are on."""
    cdef pcpu_t *p = t.slot
    cdef uint32_t irqs
    cdef uint64_t word
    if p is NULL:
        return 0
    irqs = mk_bare_load32(&p.pending, MK_ACQUIRE) & P_IRQS
    if irqs == 0:
        return 0
    # What was seen is consumed, no more: a fetch_and() whose result nobody wants is one instruction, else it is a loop. What came in
    # between stays for the next look. P_GUEST is what enter_guest() left: from here on nobody rings. seq_cst: pairs with interrupt() and
    # raise_irq().
    mk_bare_rmw32(&p.pending, MK_AND, MK_SEQ_CST, ~(irqs | P_GUEST), 0)
    bump(&t.n[N_IPIS_HANDLED], 1)
    # The short way: one caller waits. Somebody wrote the word just now: to look first would fetch its line twice, to read it and to own it.
    if irqs != P_CALL or t.c.world != NULL or p.call_from != &p.one_word:
        return service_others(t, p, irqs)
    word = mk_bare_rmw64(&p.one_word, MK_XCHG, MK_ACQ_REL, 0, 0)
    if word & (word - 1) or word == 0:
        return answer_several(&t.c, t.l, 0, word)
    t.caller = slot_of(t.l, ctz64(word))
    return answer(&t.c, t.l, t.caller)


cdef int service_others(lctx *t, pcpu_t *p, uint32_t irqs) except -1 nogil:
    """service() for any interrupts, in a VM of any size, with or without injectors."""
    cdef lctx *work
    if irqs & P_CALL:
        acknowledge(&t.c, t.l, p)
    if irqs & P_TICK:
        t.c.need_resched = 1
    if irqs & P_WORK:
        work = <lctx *>mk_bare_rmw64(&p.work, MK_XCHG, MK_ACQ_REL, 0, 0)
        if work is not NULL:
            t.c.irqs_off += 1
            t.l.run_interrupt(work, p.idx)
            t.c.irqs_off -= 1
    mk_point(&t.c, MK_PT_IRQ_HANDLED, t.c.vcpu)
    return 0


cdef int await_slot(lctx *t, pcpu_t *p, mk_atomic32 *until_zero, uint64_t ns) except -1 nogil:
    """Sleep in the host until something is pending on this thread's slot or *until_zero* is 0, at most *ns*; handles nothing."""
    cdef uint32_t held = mk_bare_load32(&p.pending, MK_RELAXED) & ~<uint32_t>P_IRQS
    if mk_bare_rmw32(&p.pending, MK_CMPXCHG, MK_SEQ_CST, held | P_AWAIT, held) == held:
        # The swap, then this load, both seq_cst: pairs with the decrement and the load of pending in answer().
        if until_zero is NULL or mk_bare_load32(until_zero, MK_SEQ_CST) != 0:
            os_futex_wait(&p.pending, held | P_AWAIT, ns)
        mk_bare_rmw32(&p.pending, MK_AND, MK_ACQ_REL, <uint32_t>~P_AWAIT, 0)
    bump(&t.beat, 1)
    return 0


cdef int stop_everything(mk_ctx *c, live_t *l) except -1 nogil:
    """Every wait in the VM ends: slots are interrupted, sleepers and queues woken."""
    cdef uint32_t i
    cdef lctx *t
    mk_bare_store32(&l.vm.stopping, MK_SEQ_CST, 1)
    for i in range(l.nr_threads):
        t = l.threads[i]
        os_futex_wake(&t.run, 1)
        os_futex_wake(&t.done, 1)
        if t.c.vcpu is not NULL:
            os_futex_wake(&t.c.vcpu.wait, 1)
    for i in range(l.vm.nr_pcpus):  # last: a back end may raise when it is to ring
        raise_irq(c, l, slot_of(l, i), P_STOP)
    return 0
