"""What each thread of a scene does, from its start to its end. Written once for native and Python plugins alike."""
from libc.stdint cimport int32_t, uint64_t
from minikvm.check.explorer cimport OP_LOCK
from minikvm.check.graph cimport EF_AWAIT, EF_RMW, EV_READ, EV_WRITE
from minikvm.check.environment cimport take_interrupt
from minikvm.check.pcpus cimport await_change, leave_pcpu, move_if_wanted, raise_on, service, take_pcpu
from minikvm.check.scene cimport LC_EVENT, LC_REQUESTS, LC_RUN, access, at, call, choose, kthread, make_call, scene
from minikvm.core.entry cimport shadow_walk, vcpu_block, vcpu_load, vcpu_put
from minikvm.core.world cimport MK_ACQUIRE, MK_RELAXED, MK_RELEASE, MK_REQ_MASK, MK_REQ_NO_ACTION, mk_loop, mk_vcpu


cdef void begin(kthread *k) noexcept nogil:
    """Forget the last execution."""
    k.c.preempt_count = 0
    k.c.irqs_off = 0
    k.c.need_resched = 0
    k.c.visited = 0
    k.c.pcpu = k.home
    k.c.point_pcpu = -1
    k.c.frame = NULL
    k.call = -1
    k.sends = 0
    k.barriers = 0
    k.nacks = 0
    k.in_point = 0
    k.in_irq = 0
    k.asked = NULL
    k.interrupted = 0
    k.migrated = 0
    k.aborted = 0
    k.aborted_for = 0
    k.consumed_ever = 0
    k.committed = 0
    k.fast_exits = 0


cdef int own_calls(kthread *k) except -1 nogil:
    cdef int32_t i
    for i in range(k.ncalls):
        make_call(k, k.calls[i])
    return 0


cdef int look_at_events(kthread *k, mk_vcpu *v) except -1 nogil:
    """What was published before a kick without a request: seen here, or the kick has to bring the vCPU out again.

    IRQs are on, so a kick that has come is handled right after the look, and then is gone.
    """
    cdef scene *s = k.s
    cdef const call *q
    cdef uint64_t seen = 0
    cdef int32_t i
    cdef bint looked = False
    for i in range(s.ncalls):
        q = &s.calls[i]
        if q.request & MK_REQ_NO_ACTION and q.targets >> v.idx & 1:
            access(k, EV_READ, 0, 0, MK_RELAXED, at(s, LC_EVENT, q.initiator), 0, 0, b"event", &seen)
            looked = True
    return service(k) if looked else 0


cdef int one_pass(kthread *k, mk_vcpu *v) except -1 nogil:
    """Once round the vCPU's loop. 1 when the guest was entered."""
    cdef scene *s = k.s
    cdef const mk_loop *l = k.c.vm.loop
    cdef uint64_t seen
    move_if_wanted(k, v)
    look_at_events(k, v)
    if s.walks and (s.walks == 1 or choose(k, 2, False, b"walk")):
        shadow_walk(&k.c, v)
    if s.halts and (s.halts == 1 or choose(k, 2, False, b"halt")):
        vcpu_block(&k.c, v)
    seen = k.aborted_for
    k.consumed = 0
    if l.enter(&k.c, l, v):
        k.aborted = 0
        return 1
    if k.consumed:
        k.aborted = 0
    elif k.aborted and seen == k.aborted_for and seen:
        await_change(k, v, seen)
        k.aborted = 0
    else:
        k.aborted = 1
    return 0


cdef bint is_dead(kthread *k, mk_vcpu *v) except -1 nogil:
    """Was a sticky request made to it? Then it stays in user space."""
    cdef scene *s = k.s
    cdef const call *q
    cdef uint64_t seen = 0
    cdef int32_t i
    for i in range(s.ncalls):
        q = &s.calls[i]
        if s.vm.sticky_mask >> (q.request & MK_REQ_MASK) & 1 and not q.request & MK_REQ_NO_ACTION and q.targets >> v.idx & 1:
            access(k, EV_READ, 0, 0, MK_RELAXED, at(s, LC_REQUESTS, v.idx), 0, 0, b"vcpu.requests", &seen)
            return seen & s.vm.sticky_mask != 0
    return False


cdef int vcpu_body(void *arg) except -1 nogil:
    """A vCPU: loaded on its pCPU, so many entries, put."""
    cdef kthread *k = <kthread *>arg
    cdef mk_vcpu *v = k.c.vcpu
    cdef int32_t left = k.s.entries
    begin(k)
    if k.s.shared_slot[k.home] or k.c.vm.strategy.on_load != NULL:
        take_pcpu(k, k.home)
        vcpu_load(&k.c, v)
    own_calls(k)
    while left and not is_dead(k, v):
        left -= one_pass(k, v)
    vcpu_put(&k.c, v)
    return leave_pcpu(k)


cdef int task_body(void *arg) except -1 nogil:
    """A task on a pCPU: its calls."""
    cdef kthread *k = <kthread *>arg
    begin(k)
    take_pcpu(k, k.home)
    own_calls(k)
    return leave_pcpu(k)


cdef int irq_body(void *arg) except -1 nogil:
    """An interrupt that finds nobody on its pCPU. On somebody's it strikes at one of that thread's points, and brings a guest out first."""
    cdef kthread *k = <kthread *>arg
    cdef uint64_t seen = 0
    cdef int32_t i
    begin(k)
    for i in range(k.ncalls):
        raise_on(k, k.home)
        # While it runs, nobody is loaded there: its pCPU has a run lock.
        access(k, EV_READ, EF_RMW | EF_AWAIT, OP_LOCK, MK_ACQUIRE, at(k.s, LC_RUN, k.home), 0, 0, b"the pCPU is idle", &seen)
        take_interrupt(k, k.calls[i])
        access(k, EV_WRITE, 0, 0, MK_RELEASE, at(k.s, LC_RUN, k.home), 0, 0, b"run unlock", &seen)
    return 0
