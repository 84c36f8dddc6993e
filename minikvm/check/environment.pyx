"""The environment of the checked machine: interrupts of the workload, preemption, spurious IPIs and wake-ups; and what guests do."""
from libc.stdint cimport int32_t, uint64_t
from minikvm.check.graph cimport EF_RMW, EV_READ
from minikvm.check.pcpus cimport m_schedule, post, raise_on
from minikvm.check.scene cimport (
    ACTOR_IRQ, ACTOR_TASK, ACTOR_VCPU, LC_PAGE, LC_PAYLOAD, LC_REQUESTS, LC_TOKEN, LC_WAIT, SLOT_KICK, access, at, call, choose, kthread,
    make_call, scene)
from minikvm.core.world cimport MK_CMPXCHG, MK_FULL, MK_PLAIN, MK_RELAXED, MK_REQ_MASK, MK_XCHG, mk_ctx, mk_vcpu

from minikvm.check.scope import UndeclaredUseError


cdef int undeclared(kthread *k, const char *word) except -1 nogil:
    with gil:
        raise UndeclaredUseError(word.decode(), k.asked.name.decode() if k.asked != NULL else "")


cdef int take_interrupt(kthread *k, int32_t number) except -1 nogil:
    """An interrupt of the workload happens once, wherever it strikes first. 1 when it was this thread's."""
    cdef uint64_t old = 0
    access(k, EV_READ, EF_RMW, MK_XCHG, MK_RELAXED, at(k.s, LC_TOKEN, number), 1, 0, b"interrupt", &old)
    if old:
        return 0
    k.c.irqs_off += 1
    k.c.preempt_count += 1
    make_call(k, number)
    k.c.preempt_count -= 1
    k.c.irqs_off -= 1
    return 1


cdef int interrupts_here(kthread *k) except -1 nogil:
    cdef scene *s = k.s
    cdef const call *q
    cdef int32_t i
    if k.in_irq or k.actor == ACTOR_IRQ or k.c.pcpu < 0:
        return 0
    for i in range(s.ncalls):
        q = &s.calls[i]
        if q.actor != ACTOR_IRQ or q.place != k.c.pcpu or k.interrupted >> i & 1:
            continue
        if choose(k, 2, False, b"an interrupt"):
            k.interrupted |= (<uint64_t>1) << i
            k.in_irq = 1
            k.in_point = 0  # the call of an interrupt passes points of its own
            take_interrupt(k, i)
            k.in_point = 1
            k.in_irq = 0
    return 0


cdef int preempted_here(kthread *k) except -1 nogil:
    if k.actor == ACTOR_TASK and k.c.pcpu >= 0 and k.s.shared_slot[k.c.pcpu] and choose(k, 2, True, b"preempted"):
        m_schedule(&k.c)
    return 0


# ---- guest work and the environment ----

cdef int m_wake(mk_ctx *c, mk_vcpu *v) except -1 nogil:
    return 0  # the sleeper awaits vcpu.wait itself


cdef int m_walk(mk_ctx *c, mk_vcpu *v) except -1 nogil:
    """Read each page that a flush is to free, unless the flush's request has been seen: then its page is no longer reached."""
    cdef kthread *k = <kthread *>c
    cdef const call *q
    cdef uint64_t requests = 0, page = 0
    cdef int32_t i
    access(k, EV_READ, 0, 0, MK_RELAXED, at(k.s, LC_REQUESTS, v.idx), 0, 0, b"vcpu.requests", &requests)
    requests |= k.consumed_ever
    for i in range(k.s.ncalls):
        q = &k.s.calls[i]
        if q.frees and q.targets >> v.idx & 1 and not requests >> (q.request & MK_REQ_MASK) & 1:
            access(k, EV_READ, 0, 0, MK_PLAIN, at(k.s, LC_PAGE, q.initiator), 0, 0, b"page", &page)
    return 0


cdef int m_handle(mk_ctx *c, mk_vcpu *v, unsigned nr) except -1 nogil:
    """The work of a request: read what it is about, of each initiator that makes such requests."""
    cdef kthread *k = <kthread *>c
    cdef uint64_t payload = 0, done = 0
    cdef const call *q
    cdef int32_t i
    if not k.s.payload:
        return 0
    for i in range(k.s.ncalls):
        q = &k.s.calls[i]
        if (q.request & MK_REQ_MASK) == nr and q.targets >> v.idx & 1 and not done >> q.initiator & 1:
            done |= (<uint64_t>1) << q.initiator
            access(k, EV_READ, 0, 0, MK_RELAXED, at(k.s, LC_PAYLOAD, q.initiator), 0, 0, b"payload", &payload)
    return 0


cdef int m_migrate(mk_ctx *c, mk_vcpu *v, int walk) except -1 nogil:
    """Who says that he moves vCPUs is not asked in a check: a vCPU moves when it chooses to, move_if_wanted(). So somebody did not say."""
    undeclared(<kthread *>c, b"migrate")
    return 0


cdef int m_preempt(mk_ctx *c) except -1 nogil:
    if (<kthread *>c).actor != ACTOR_VCPU:
        return 0
    c.need_resched = 1
    if c.preempt_count == 0 and c.irqs_off == 0:
        m_schedule(c)
    return 1


cdef int m_delay(mk_ctx *c, uint64_t ns) except -1 nogil:
    return 0  # every interleaving is explored anyway


cdef int m_spurious_ipi(mk_ctx *c, int32_t pcpu) except -1 nogil:
    cdef kthread *k = <kthread *>c
    if pcpu < 0:
        pcpu = choose(k, k.s.npcpus, False, b"which pCPU")
    if pcpu == c.pcpu and k.actor != ACTOR_VCPU:
        return 0
    if pcpu == c.pcpu:
        raise_on(k, pcpu)  # by a device, not by this thread
    else:
        post(k, pcpu, SLOT_KICK, -1)
    return 1


cdef int m_spurious_wakeup(mk_ctx *c, mk_vcpu *v) except -1 nogil:
    cdef kthread *k = <kthread *>c
    cdef uint64_t old = 0
    if v == NULL:
        v = &k.s.vm.vcpus[choose(k, k.s.nvcpus, False, b"which sleeper")]
    access(k, EV_READ, EF_RMW, MK_CMPXCHG, MK_FULL, at(k.s, LC_WAIT, v.idx), 0, 1, b"vcpu.wait", &old)
    return old != 0
