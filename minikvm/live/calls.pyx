"""The threads of a live VM. Each main function runs without the GIL until the VM stops or its calls are made."""
from libc.stdint cimport uint32_t, uint64_t
from minikvm.core.bits cimport ctz64
from minikvm.core.entry cimport shadow_walk, vcpu_block
from minikvm.core.kick cimport dispatch
from minikvm.core.requests cimport clear_request
from minikvm.core.world cimport (
    MK_ACQUIRE, MK_ACQ_REL, MK_ADD, MK_CMPXCHG, MK_PT_TASK_RUN, MK_RELAXED, MK_RELEASE, MK_SEQ_CST, MK_XCHG, mk_bare_load32,
    mk_bare_load64, mk_bare_rmw32, mk_bare_rmw64, mk_bare_store32, mk_ctx, mk_point, mk_random_unit, mk_vcpu)
from minikvm.live.ghost cimport begin_call, check_gate, end_call
from minikvm.live.machine cimport schedule_in, schedule_out
from minikvm.live.os cimport os_futex_wait, os_futex_wake, os_now, os_sleep, sched_yield
from minikvm.live.slots cimport interrupt, note_lock_wait, raise_irq, service, set_where, take
from minikvm.live.state cimport (
    L_GATE, P_HELD, P_WORK, T_ALL, W_DONE, W_HOST, W_IDLE, W_IRQ, W_LOCK, W_PARKED, bump, lctx, line_t, live_t, pcpu_t, slot_of)


cdef inline bint stopping(live_t *l) noexcept nogil:
    return mk_bare_load32(&l.vm.stopping, MK_RELAXED) != 0


cdef int claim(lctx *t, uint32_t i, uint64_t now) noexcept nogil:
    """Is line i's next call due, and is one left? Takes it if so; a line without calls left is never due again."""
    cdef line_t *line = t.lines[i]
    cdef uint64_t left
    if t.due[i] and mk_bare_load32(&t.l.ending, MK_RELAXED):
        finish_line(t, i)
    if t.due[i] == 0 or t.due[i] > now or mk_bare_load32(&t.l.paused, MK_RELAXED):
        return 0
    if line.counted:
        left = mk_bare_load64(&line.left, MK_RELAXED)
        while left and mk_bare_rmw64(&line.left, MK_CMPXCHG, MK_RELAXED, left - 1, left) != left:
            left = mk_bare_load64(&line.left, MK_RELAXED)
        if left == 0:
            finish_line(t, i)
            return 0
    t.due[i] = now + line.every_ns if line.every_ns else now
    return 1


cdef void finish_line(lctx *t, uint32_t i) noexcept nogil:
    t.due[i] = 0
    if mk_bare_rmw32(&t.l.active, MK_ADD, MK_ACQ_REL, <uint32_t>-1, 0) == 1:
        mk_bare_rmw32(&t.l.event, MK_ADD, MK_RELEASE, 1, 0)
        os_futex_wake(&t.l.event, 1)


cdef void finish_lines(lctx *t) noexcept nogil:
    """The thread ends: so do the lines it still had."""
    cdef uint32_t i
    for i in range(t.nr_lines):
        if t.due[i]:
            finish_line(t, i)
    set_where(t, W_DONE)


cdef int issue(lctx *t, line_t *line) except -1 nogil:
    """One call of the workload, on the context's pCPU: begin, dispatch, end; an entry gate is held and opened again."""
    cdef mk_ctx *c = &t.c
    cdef uint64_t word
    cdef uint32_t w
    if line.gate and not take_gate(t):
        return 0
    begin_call(t, line)
    dispatch(c, line.req, NULL if line.targets_kind == T_ALL else t.call.targets)
    end_call(t, line, os_now())
    if line.gate:
        if line.hold_ns:
            mk_bare_store32(&t.holding, MK_RELAXED, 1)
            c.vm.machine.delay(c, line.hold_ns)
            mk_bare_store32(&t.holding, MK_RELAXED, 0)
        check_gate(t, line)
        for w in range(t.l.vm.vcpu_words):
            word = t.call.targets[w]
            while word:
                clear_request(c, line.req, &t.l.vm.vcpus[w * 64 + ctz64(word)])
                word &= word - 1
        mk_bare_rmw64(&t.l.gate, MK_XCHG, MK_ACQ_REL, 0, 0)
    return 1


cdef int take_gate(lctx *t) except -1 nogil:
    """One closed gate at a time, as under the kernel's tsc_write_lock: two requesters would open each other's."""
    cdef uint64_t holder
    while True:
        holder = mk_bare_rmw64(&t.l.gate, MK_CMPXCHG, MK_ACQ_REL, <uint64_t>t.c.id + 1, 0)
        if holder == 0:
            break
        if stopping(t.l):
            return 0
        set_where(t, W_LOCK)
        note_lock_wait(t, L_GATE, 0 if mk_bare_load32(&t.l.threads[holder - 1].holding, MK_RELAXED) else holder)
        if t.c.irqs_off == 0:
            service(t)
            if t.c.need_resched and t.c.preempt_count == 0:
                t.c.vm.machine.schedule(&t.c)  # the gate's holder may be waiting for this very slot
        os_sleep(20000)
        bump(&t.beat, 1)
    note_lock_wait(t, L_GATE, 0)
    set_where(t, W_HOST)
    return 1


cdef int own_calls(lctx *t) except -1 nogil:
    """The calls of this thread that are due, each once."""
    cdef uint32_t i
    cdef uint64_t now
    now = os_now()
    for i in range(t.nr_lines):
        if not stopping(t.l) and claim(t, i, now):
            issue(t, t.lines[i])
    return 0


cdef int after_exit(lctx *t, mk_vcpu *v) except -1 nogil:
    """What the guest wanted when it left: to halt, to have a page fault handled, or nothing."""
    cdef live_t *l = t.l
    if l.halt_ratio > 0 and mk_random_unit(&t.c) < l.halt_ratio:
        vcpu_block(&t.c, v)
    if l.walk_ratio > 0 and t.c.pcpu >= 0 and mk_random_unit(&t.c) < l.walk_ratio:
        shadow_walk(&t.c, v)
    return 0


cdef int park(lctx *t, mk_vcpu *v) except -1 nogil:
    """The VM is dead (a sticky request): the vCPU stays in user space until the end."""
    schedule_out(t)
    finish_lines(t)  # the calls it had left are never made: a run must not wait for them
    set_where(t, W_PARKED)
    while not stopping(t.l):
        os_futex_wait(&t.done, 0, t.l.beat_ns)
        bump(&t.beat, 1)
    return 0


cdef int vcpu_main(lctx *t) except -1 nogil:
    """A vCPU's life: load, then the run loop until the VM stops."""
    cdef mk_ctx *c = &t.c
    cdef mk_vcpu *v = c.vcpu
    cdef uint64_t sticky = 0
    if t.l.backend.thread_start != NULL:
        t.l.backend.thread_start(t.l.backend, c)
    if schedule_in(t):
        while not stopping(t.l) and c.pcpu >= 0:
            if c.need_resched:
                c.vm.machine.schedule(c)
                if c.pcpu < 0:
                    break
            if mk_bare_load32(&t.walk_due, MK_RELAXED) and mk_bare_rmw32(&t.walk_due, MK_XCHG, MK_ACQ_REL, 0, 0):
                shadow_walk(c, v)
            if t.nr_lines:
                own_calls(t)
            if c.vm.sticky_mask:
                sticky = mk_bare_load64(&v.requests, MK_RELAXED) & c.vm.sticky_mask
                if sticky:
                    break
            if c.vm.loop.enter(c, c.vm.loop, v) and t.l.restless:
                after_exit(t, v)
        if sticky and not stopping(t.l):
            park(t, v)
        schedule_out(t)
    finish_lines(t)
    return 0


cdef uint64_t next_due(lctx *t) noexcept nogil:
    """When the next call is due, in ns; 0 when all are made."""
    cdef uint64_t first = 0
    cdef uint32_t i
    for i in range(t.nr_lines):
        if mk_bare_load32(&t.l.ending, MK_RELAXED):
            return 1
        if t.due[i] and (first == 0 or t.due[i] < first):
            first = t.due[i]
    return first


cdef int sleep_until(lctx *t, uint64_t due) except -1 nogil:
    """Idle, without a slot, until the time or the VM's end; a paused VM makes no calls."""
    cdef uint64_t now = os_now()
    set_where(t, W_IDLE)
    mk_bare_store32(&t.done, MK_RELAXED, 0)
    while not stopping(t.l) and not mk_bare_load32(&t.l.ending, MK_RELAXED) and (now < due or mk_bare_load32(&t.l.paused, MK_RELAXED)):
        os_futex_wait(&t.done, 0, t.l.beat_ns if now >= due or due - now > t.l.beat_ns else due - now)
        bump(&t.beat, 1)
        now = os_now()
    return 0


cdef int task_main(lctx *t) except -1 nogil:
    """Calls from tasks: take the pCPU (vCPUs are preempted for it), call, and give it up when another wants it."""
    cdef mk_ctx *c = &t.c
    cdef uint64_t due
    if t.l.backend.thread_start != NULL:
        t.l.backend.thread_start(t.l.backend, c)
    while not stopping(t.l):
        due = next_due(t)
        if due == 0:
            break
        if mk_bare_load32(&t.l.ending, MK_RELAXED):
            break
        if due > os_now() or mk_bare_load32(&t.l.paused, MK_RELAXED):
            schedule_out(t)
            sleep_until(t, due)
            continue
        if c.pcpu < 0 and not schedule_in(t):
            break
        mk_point(c, MK_PT_TASK_RUN, NULL)
        if c.pcpu < 0:
            break
        own_calls(t)
        service(t)
        if c.pcpu >= 0 and (c.need_resched or mk_bare_load32(&slot_of(t.l, c.pcpu).nr_queued, MK_RELAXED)):
            schedule_out(t)  # the queue is first come, first served: the vCPU of this pCPU gets its turn
    schedule_out(t)
    finish_lines(t)
    return 0


cdef int task_call(lctx *t, line_t *line) except -1 nogil:
    """One call as a task on the context's home pCPU, from a thread that may hold none. 1, or 0 when the VM stops."""
    cdef int done = 0
    if schedule_in(t):
        done = issue(t, line)
        schedule_out(t)
    set_where(t, W_IDLE)
    return done


cdef int run_interrupt(lctx *t, uint32_t pcpu) except -1 nogil:
    """An interrupt-context initiator's call, by whoever holds the slot: IRQs off, preemption off, its own context."""
    cdef int made
    t.c.pcpu = <int>pcpu
    t.slot = slot_of(t.l, pcpu)
    t.c.irqs_off = 1
    t.c.preempt_count = 1
    made = (<int (*)(lctx *) noexcept nogil>own_calls)(t)  # its exception is kept until the initiator has been told
    t.c.pcpu = -1
    t.slot = NULL
    mk_bare_store32(&t.done, MK_RELEASE, 1)
    os_futex_wake(&t.done, 1)
    return made


cdef bint withdraw(lctx *t, pcpu_t *p) noexcept nogil:
    """Take the posted work back; False when a holder has taken it already."""
    return mk_bare_rmw64(&p.work, MK_CMPXCHG, MK_ACQ_REL, 0, <uint64_t>t) == <uint64_t>t


cdef int irq_main(lctx *t) except -1 nogil:
    """Calls from interrupt context on one pCPU: post the work, interrupt the holder; an idle pCPU is taken and interrupted here."""
    cdef pcpu_t *p = slot_of(t.l, <uint32_t>t.home)
    cdef uint64_t due
    if t.l.backend.thread_start != NULL:
        t.l.backend.thread_start(t.l.backend, &t.c)
    while not stopping(t.l):
        due = next_due(t)
        if due == 0:
            break
        if mk_bare_load32(&t.l.ending, MK_RELAXED):
            break
        if due > os_now() or mk_bare_load32(&t.l.paused, MK_RELAXED):
            sleep_until(t, due)
            continue
        mk_bare_store32(&t.done, MK_RELAXED, 0)
        if mk_bare_rmw64(&p.work, MK_CMPXCHG, MK_ACQ_REL, <uint64_t>t, 0) != 0:
            sched_yield()  # another interrupt of this pCPU is being delivered
            os_sleep(5000)
            continue
        set_where(t, W_IRQ)
        raise_irq(&t.c, t.l, p, P_WORK)
        while not mk_bare_load32(&t.done, MK_ACQUIRE):
            if stopping(t.l):
                if withdraw(t, p):
                    break  # else a holder has taken it: this context is its own until it is done
            # Nobody holds the slot, so nobody will take the work: withdraw it, and be the interrupted idle pCPU.
            elif not mk_bare_load32(&p.pending, MK_SEQ_CST) & P_HELD and withdraw(t, p):
                if take(t, p):
                    t.c.irqs_off = 0
                    t.c.preempt_count = 0
                    run_interrupt(t, p.idx)
                    t.c.pcpu = <int>p.idx
                    t.slot = p
                    t.c.irqs_off = 0
                    t.c.preempt_count = 0
                    schedule_out(t)
                break
            os_futex_wait(&t.done, 0, 1000000)
            bump(&t.beat, 1)
    finish_lines(t)
    return 0


cdef int wire_main(lctx *t) except -1 nogil:
    """The wire of the late-ipi injector: delivers what was delayed."""
    cdef live_t *l = t.l
    cdef uint32_t i, bits
    cdef pcpu_t *p
    while not stopping(l):
        if mk_bare_load32(&l.in_flight, MK_ACQUIRE) == 0:
            os_sleep(100000)
        else:
            os_sleep(l.late_ns)
            for i in range(l.vm.nr_pcpus):
                p = slot_of(l, i)
                if mk_bare_load32(&p.late_bits, MK_RELAXED):
                    bits = mk_bare_rmw32(&p.late_bits, MK_XCHG, MK_SEQ_CST, 0, 0)
                    interrupt(&t.c, l, p, bits)
                    mk_bare_rmw32(&l.in_flight, MK_ADD, MK_SEQ_CST, <uint32_t>-1, 0)
        bump(&t.beat, 1)
    set_where(t, W_DONE)
    return 0
