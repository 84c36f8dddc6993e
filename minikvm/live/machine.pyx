"""The live machine: what lies beneath the pCPUs when a VM runs on OS threads. Each function is an entry of struct mk_machine."""
from libc.stdint cimport uint32_t, uint64_t
from minikvm.core.entry cimport entry_unannounced, vcpu_load, vcpu_put
from minikvm.core.world cimport (
    MK_ABI, MK_ACQUIRE, MK_AND, MK_CMPXCHG, MK_FULL, MK_RELAXED, MK_SEQ_CST, MK_XCHG, mk_atomic64, mk_bare_load32, mk_bare_load64,
    mk_bare_rmw32, mk_bare_rmw64, mk_cpu_relax, mk_ctx, mk_machine, mk_prefetchw, mk_random, mk_random_unit, mk_vcpu)
from minikvm.live.ipis cimport call_many, call_wait, reschedule
from minikvm.live.environment cimport delay, migrate, preempt, spurious_ipi, spurious_wakeup
from minikvm.live.os cimport (
    MEMBARRIER_CMD_PRIVATE_EXPEDITED, os_futex_wait, os_futex_wake, os_membarrier, os_now, os_sleep, sched_yield)
from minikvm.live.slots cimport await_slot, give, note_lock_wait, service, set_where, take
from minikvm.live.state cimport (
    L_LOCK, N_EXITS, N_FASTPATH, N_MIGRATIONS, N_PREEMPTIONS, N_SPURIOUS, PH_GUEST, P_CALL, P_GUEST, P_HELD, P_IRQS, P_RESCHED, W_AWAIT_REQ,
    W_BLOCKED, W_GUEST, W_HOST, W_LOCK, bump, lctx, live_t, pcpu_t, service_fn, slot_of)

cdef enum:
    ACK_POLLS = 200  # looks for an acknowledgement before sleeping: some microseconds, less than a sleep and a wake-up take
    LOCK_SPINS = 100   # looks at a lock in a row; from then on the watchdog knows that this thread waits
    LOCK_YIELDS = 1000  # and looks before it sleeps between them
    STOP_SPINS = 2000  # looks at a lock, 50 us and more apart, after the VM was stopped: a holder that runs has long given it back

cdef uint64_t AWAIT_BACKOFF_MAX = 1000000  # ns: how long an aborted entry sleeps before it looks at its gate again


# ---- IRQs ----

cdef int irq_disable(mk_ctx *c) except -1 nogil:
    c.irqs_off += 1  # only this thread handles its slot's interrupts: the soft flag needs no atomics and is no barrier
    return 0


cdef int irq_enable(mk_ctx *c) except -1 nogil:
    c.irqs_off -= 1
    if c.irqs_off:
        return 0
    return (<service_fn>service)(<lctx *>c)


cdef int work_pending(mk_ctx *c) except -1 nogil:
    cdef live_t *l = (<lctx *>c).l
    if c.need_resched or c.pcpu < 0 or mk_bare_load32(&l.vm.stopping, MK_RELAXED):
        return 1
    return mk_bare_load32(&(<lctx *>c).slot.pending, MK_RELAXED) & P_IRQS


# ---- the guest ----

cdef int idle_guest(mk_ctx *c, mk_vcpu *v, uint64_t ns) except -1 nogil:
    """The threads engine's guest. Asleep it costs no host CPU, so that hundreds of vCPUs run on two; spinning it burns one."""
    cdef live_t *l = (<lctx *>c).l
    return l.rest(l.backend, c, &(<lctx *>c).slot.bell, P_HELD | P_GUEST, ns)


cdef uint64_t guest_time(lctx *t) noexcept nogil:
    """How long the guest stays on its own, in ns; 0: until it is made to leave."""
    cdef uint64_t ns = t.l.enter_ns
    if ns and t.l.jitter > 0:
        ns = <uint64_t>(ns * (1 + t.l.jitter * (2 * mk_random_unit(&t.c) - 1))) + 1
    return ns


cdef uint64_t own_due(lctx *t) noexcept nogil:
    """When the vCPU's own next call is due, in ns: a reason to leave the guest, and a timer that ends a halt without end. 0: never.

    1, long ago, when no calls are made any more: the vCPU must look, to drop those it had left, or the run would wait for them.
    """
    cdef bint ending = mk_bare_load32(&t.l.ending, MK_RELAXED) != 0
    cdef uint64_t first = 0
    cdef uint32_t i
    if not ending and mk_bare_load32(&t.l.paused, MK_RELAXED):
        return 0
    for i in range(t.nr_lines):
        if t.due[i] != 0 and (first == 0 or t.due[i] < first):
            first = 1 if ending else t.due[i]
    return first


cdef uint64_t begin_stay(lctx *t) noexcept nogil:
    """The guest begins to run: when will it leave by itself? Returns the time now."""
    cdef uint64_t now = os_now()
    cdef uint64_t ns = guest_time(t)
    t.stay_end = now + ns if ns else 0
    return now


cdef uint64_t time_left(lctx *t, uint64_t now) noexcept nogil:
    """How long the guest may run in one piece: until its stay ends, the vCPU has a call to make, or its timeslice is over; 0: it leaves."""
    cdef uint64_t left = t.l.beat_ns
    cdef uint64_t due = own_due(t)
    cdef uint64_t slice_end
    if t.stay_end:
        if now >= t.stay_end:
            return 0
        left = min(left, t.stay_end - now)
    if due:
        if now >= due:
            return 0
        left = min(left, due - now)
    if mk_bare_load32(&t.slot.nr_queued, MK_RELAXED):  # somebody waits for the slot: the timeslice's end is an exit
        slice_end = mk_bare_load64(&t.slot.slice_end, MK_RELAXED)
        if now == 0:
            now = os_now()
        if now >= slice_end:
            t.c.need_resched = 1
            bump(&t.n[N_PREEMPTIONS], 1)
            return 0
        left = min(left, slice_end - now)
    return left


cdef int enter_guest(mk_ctx *c, mk_vcpu *v) except -1 nogil:
    """Unmask interrupts and run the guest, atomically: one compare-and-swap from "held, nothing pending" to "held, in the guest".

    Returns 1 for an exit on the fast path (the caller may enter again after the last check), else 0.
    """
    cdef lctx *t = <lctx *>c
    cdef pcpu_t *p = t.slot
    cdef uint64_t now = 0  # where nothing is timed: the guest's time is not asked for
    cdef uint64_t left
    if p is NULL:
        return 0
    if c.observer != NULL and mk_bare_load64(&t.epoch, MK_RELAXED) & 3 != PH_GUEST:
        return entry_unannounced(v)
    bump(&t.n[N_EXITS], 1)
    # seq_cst: pairs with the compare-and-swap in interrupt() and the fetch_or in raise_irq(); an interrupt of the window since IRQs went
    # off makes this fail.
    if mk_bare_rmw32(&p.pending, MK_CMPXCHG, MK_SEQ_CST, P_HELD | P_GUEST, P_HELD) != P_HELD:
        return 0
    set_where(t, W_GUEST)
    if t.timed:
        now = begin_stay(t)
    while True:
        left = t.l.beat_ns
        if now or mk_bare_load32(&p.nr_queued, MK_RELAXED):
            left = time_left(t, now)
            if left == 0:
                break
        t.l.engine.run(c, t.l.engine, v, left)
        if t.caller is not NULL:  # who called last may well have called again: its line comes while the slot's own does
            mk_prefetchw(&t.caller.acks_left)
        # Acquire: pairs with interrupt(). An interrupt is what a stay mostly ends with, and then nobody wants to know the time.
        if mk_bare_load32(&p.pending, MK_ACQUIRE) & P_IRQS:
            set_where(t, W_HOST)
            # P_GUEST stays, and service() takes it away with the interrupt: while there is one nobody rings, whatever else comes in.
            if mk_bare_load64(&v.requests, MK_RELAXED) == 0 and mk_bare_load32(&p.pending, MK_RELAXED) & (P_CALL | P_RESCHED):
                bump(&t.n[N_SPURIOUS], 1)
            return 0
        bump(&t.beat, 1)
        if mk_bare_load32(&c.vm.stopping, MK_RELAXED):
            break
        if now:
            now = os_now()
    return left_by_itself(t)


cdef int left_by_itself(lctx *t) noexcept nogil:
    """The guest's exit without an interrupt: its time was over, or there is something to do."""
    # Who has rung in vain, or still will, only makes the next stay look once more.
    mk_bare_rmw32(&t.slot.pending, MK_AND, MK_SEQ_CST, <uint32_t>~P_GUEST, 0)
    set_where(t, W_HOST)
    if t.l.fastpath_ratio > 0 and t.stay_end and os_now() >= t.stay_end and mk_random_unit(&t.c) < t.l.fastpath_ratio:
        bump(&t.n[N_FASTPATH], 1)
        return 1
    return 0


cdef int walk(mk_ctx *c, mk_vcpu *v) except -1 nogil:
    """The body of a shadow walk; IRQs are off, so it ends by itself."""
    cdef uint64_t end = os_now() + (<lctx *>c).l.walk_ns
    if (<lctx *>c).l.walk_ns > 50000:
        os_sleep((<lctx *>c).l.walk_ns)
    while os_now() < end:
        mk_cpu_relax()
    return 0


# ---- scheduling ----

cdef int choose_slot(lctx *t) noexcept nogil:
    """The pCPU that the host's scheduler gives this thread next."""
    cdef live_t *l = t.l
    cdef int wanted = <int>mk_bare_rmw32(&t.migrate_to, MK_XCHG, MK_RELAXED, 0, 0) - 1
    cdef int a, b
    if wanted >= 0:
        return wanted
    if t.home >= 0:
        return t.home
    a = t.last_pcpu
    if l.nr_used > 1 and l.migrate > 0:
        b = <int>l.used[mk_random(&t.c) % l.nr_used]
        if mk_random_unit(&t.c) < l.migrate or load_of(l, b) + 1 < load_of(l, a):
            return b
    return a


cdef inline uint32_t load_of(live_t *l, int pcpu) noexcept nogil:
    cdef pcpu_t *p = slot_of(l, pcpu)
    return mk_bare_load32(&p.nr_queued, MK_RELAXED) + (1 if mk_bare_load32(&p.pending, MK_RELAXED) & P_HELD else 0)


cdef int schedule_in(lctx *t) except -1 nogil:
    """Take a slot, and load the vCPU if this is one's thread. 1, or 0 when the VM stops."""
    cdef int before = t.last_pcpu
    cdef int pcpu = choose_slot(t)
    if not take(t, slot_of(t.l, pcpu)):
        return 0
    if t.c.vcpu is not NULL:
        if pcpu != before and before >= 0:
            bump(&t.n[N_MIGRATIONS], 1)
        t.c.preempt_count += 1
        vcpu_load(&t.c, t.c.vcpu)
        t.c.preempt_count -= 1
    return 1


cdef int schedule_out(lctx *t) except -1 nogil:
    """Put the vCPU and give the slot up."""
    if t.c.pcpu < 0:
        return 0
    if t.c.vcpu is not NULL:
        t.c.preempt_count += 1
        vcpu_put(&t.c, t.c.vcpu)
        t.c.preempt_count -= 1
    return give(t)


cdef int schedule(mk_ctx *c) except -1 nogil:
    cdef lctx *t = <lctx *>c
    c.need_resched = 0
    if c.pcpu < 0:
        return 0
    schedule_out(t)
    schedule_in(t)
    return 0


cdef int block(mk_ctx *c, mk_vcpu *v) except -1 nogil:
    """Give the slot up and sleep until somebody stores 0 in vcpu.wait, or the halt's timer does."""
    cdef lctx *t = <lctx *>c
    cdef live_t *l = t.l
    cdef uint64_t now = os_now()
    cdef uint64_t end = 0
    cdef uint64_t left, due
    if l.halt_ns:
        end = now + <uint64_t>(l.halt_ns * (0.5 + mk_random_unit(c)))
    schedule_out(t)
    set_where(t, W_BLOCKED)
    while mk_bare_load32(&v.wait, MK_ACQUIRE):
        if mk_bare_load32(&l.vm.stopping, MK_RELAXED) or (end and now >= end):
            mk_bare_rmw32(&v.wait, MK_CMPXCHG, MK_FULL, 0, 1)
            break
        left = l.beat_ns
        due = own_due(t) if l.halt_ns == 0 else 0
        if due and now >= due:
            mk_bare_rmw32(&v.wait, MK_CMPXCHG, MK_FULL, 0, 1)
            break
        if due and due - now < left:
            left = due - now
        if end and end - now < left:
            left = end - now
        os_futex_wait(&v.wait, 1, left)
        bump(&t.beat, 1)
        now = os_now()
    set_where(t, W_HOST)
    schedule_in(t)
    return 0


cdef int wake(mk_ctx *c, mk_vcpu *v) except -1 nogil:
    os_futex_wake(&v.wait, 1)
    return 0


cdef int await_requests(mk_ctx *c, mk_vcpu *v, uint64_t seen) except -1 nogil:
    """An entry gate is closed: sleep, serving the slot, until the request bits change or something else is to be done."""
    cdef lctx *t = <lctx *>c
    cdef uint64_t ns = 10000
    if c.pcpu < 0:
        return 0
    set_where(t, W_AWAIT_REQ)
    while mk_bare_load64(&v.requests, MK_RELAXED) == seen and not work_pending(c):
        await_slot(t, slot_of(t.l, c.pcpu), NULL, ns)
        if ns < AWAIT_BACKOFF_MAX:
            ns *= 2
    if c.irqs_off == 0:
        service(t)
    set_where(t, W_HOST)
    return 0


cdef int membarrier(mk_ctx *c) except -1 nogil:
    """A full barrier on every running thread of this process. Registered at start, where it is tried once: it cannot fail here."""
    os_membarrier(MEMBARRIER_CMD_PRIVATE_EXPEDITED)
    return 0


cdef int lock_slow(mk_ctx *c, mk_atomic64 *lock) except -1 nogil:
    """A contended spin lock. Its holder may be off the host's CPU, so yield soon. A VM that stops waits for no holder that is gone."""
    cdef lctx *t = <lctx *>c
    cdef int spins = 0, last_spins = 0
    cdef uint64_t holder
    while True:
        holder = mk_bare_load64(lock, MK_RELAXED)
        if holder == 0 and mk_bare_rmw64(lock, MK_CMPXCHG, MK_ACQUIRE, <uint64_t>c.id + 1, 0) == 0:
            break
        spins += 1
        if spins < LOCK_SPINS:
            mk_cpu_relax()
            continue
        if spins == LOCK_SPINS:
            set_where(t, W_LOCK)
        note_lock_wait(t, L_LOCK, holder)
        bump(&t.beat, 1)
        if spins < LOCK_YIELDS and not mk_bare_load32(&c.vm.stopping, MK_RELAXED):
            sched_yield()
            continue
        if mk_bare_load32(&c.vm.stopping, MK_RELAXED):
            last_spins += 1
            if last_spins > STOP_SPINS:
                t.call.aborted = 1  # goes on without it, into calls that nobody judges and waits that end at once
                break
        os_sleep(50000)
    if spins >= LOCK_SPINS:
        note_lock_wait(t, L_LOCK, 0)
        set_where(t, W_HOST)
    return 0


cdef int handle(mk_ctx *c, mk_vcpu *v, unsigned nr) except -1 nogil:
    return 0  # the accounts are the observer's


cdef mk_machine MACHINE
MACHINE.abi = MK_ABI
MACHINE.size = sizeof(mk_machine)
MACHINE.call_many = call_many
MACHINE.call_wait = call_wait
MACHINE.reschedule = reschedule
MACHINE.irq_disable = irq_disable
MACHINE.irq_enable = irq_enable
MACHINE.schedule = schedule
MACHINE.work_pending = work_pending
MACHINE.enter_guest = enter_guest
MACHINE.block = block
MACHINE.wake = wake
MACHINE.walk = walk
MACHINE.handle = handle
MACHINE.await_requests = await_requests
MACHINE.membarrier = membarrier
MACHINE.lock_slow = lock_slow
MACHINE.idle_guest = idle_guest
MACHINE.migrate = migrate
MACHINE.preempt = preempt
MACHINE.delay = delay
MACHINE.spurious_ipi = spurious_ipi
MACHINE.spurious_wakeup = spurious_wakeup


cdef const mk_machine *live_machine() noexcept nogil:
    return &MACHINE
