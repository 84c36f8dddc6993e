"""C11's happens-before, hb = (sb U sw)+, with release sequences and fences. See _hb.pxd.

Sources: Lahav, Vafeiadis, Kang, Hur and Dreyer, Repairing Sequential Consistency in C/C++11, PLDI 2017; herd7's rc11.cat:
  rs = [W]; (sb & loc)?; [W]; (rf; rmw)*                  (release sequence; plain accesses count as relaxed ones, as docs/protocol.md says)
  sw = [release]; ([F]; sb)?; rs; rf; [R]; (sb; [F])?; [acquire]
Starting and joining a thread synchronise. smp_wmb is a release fence, smp_rmb an acquire fence, smp_mb and its twins are SC fences.
"""
from libc.stdint cimport int32_t, uint8_t, uint32_t
from libc.string cimport memcpy, memset
from minikvm.check.fences cimport (
    FENCE_ACQ_REL, FENCE_ACQUIRE, FENCE_AFTER_SPINLOCK, FENCE_AFTER_UNLOCK_LOCK, FENCE_RELEASE, FENCE_SEQ_CST)
from minikvm.check.graph cimport EF_CREATE, EV_FENCE, EV_READ, EV_SYNC, EV_WRITE, event, mk_graph, po_thread
from minikvm.check.scratch cimport SCRATCH_HB, scratch
from minikvm.core.world cimport MK_MB_AFTER_ATOMIC, MK_MB_BEFORE_ATOMIC, MK_SMP_MB, MK_SMP_RMB, MK_SMP_WMB


cdef bint fence_is_sc(int kind) noexcept nogil:
    return (kind == MK_SMP_MB or kind == MK_MB_BEFORE_ATOMIC or kind == MK_MB_AFTER_ATOMIC or kind == FENCE_SEQ_CST
            or kind == FENCE_AFTER_SPINLOCK or kind == FENCE_AFTER_UNLOCK_LOCK)


cdef bint fence_acquires(int kind) noexcept nogil:
    return kind == MK_SMP_RMB or kind == FENCE_ACQUIRE or kind == FENCE_ACQ_REL or fence_is_sc(kind)


cdef bint fence_releases(int kind) noexcept nogil:
    return kind == MK_SMP_WMB or kind == FENCE_RELEASE or kind == FENCE_ACQ_REL or fence_is_sc(kind)


# The threads' state while the events are gone through. All are clocks of stride numbers, one a thread.
cdef struct state:
    int32_t stride
    bint kernels
    uint32_t *now       # what happens before the thread's next place
    uint32_t *pending   # what its relaxed reads have got: an acquire fence takes it in
    uint32_t *released  # what its last release fence hands to later writes; 0 without one
    uint32_t *before    # of events
    uint32_t *message   # of writes: what an acquire read of it gets
    uint32_t *fences    # of SC fences


cdef inline void join(uint32_t *a, const uint32_t *b, int32_t n) noexcept nogil:
    cdef int32_t i
    for i in range(n):
        if b[i] > a[i]:
            a[i] = b[i]


cdef void fence(state *s, hb_clocks *h, int32_t t, uint32_t place, bint acquire, bint release, bint sc) noexcept nogil:
    cdef size_t width = s.stride * sizeof(uint32_t)
    cdef uint32_t *now = s.now + t * s.stride
    if acquire:
        join(now, s.pending + t * s.stride, s.stride)
    now[t] = place + 1
    if release:
        memcpy(s.released + t * s.stride, now, width)
    if sc:
        h.fence[h.nfences].thread = t
        h.fence[h.nfences].place = place
        memcpy(s.fences + h.nfences * s.stride, now, width)
        h.nfences += 1


cdef void add_write(state *s, const mk_graph *g, int32_t id) noexcept nogil:
    """What the readers of a write get."""
    cdef const event *e = &g.ev[id]
    cdef const event *x
    cdef const po_thread *th = &g.th[e.thread]
    cdef uint32_t *m = s.message + <size_t>id * s.stride
    cdef int32_t i
    memcpy(m, s.released + e.thread * s.stride, s.stride * sizeof(uint32_t))
    if releases(e):
        memcpy(m, s.before + <size_t>id * s.stride, s.stride * sizeof(uint32_t))
    elif not s.kernels:
        for i in range(<int32_t>e.index - 1, -1, -1):
            x = &g.ev[th.ev[i]]
            if x.loc == e.loc and releases(x):
                join(m, s.before + <size_t>th.ev[i] * s.stride, s.stride)
                break
    if e.kind & EV_READ and e.rf >= 0:
        join(m, s.message + <size_t>e.rf * s.stride, s.stride)


cdef void add_event(state *s, hb_clocks *h, const mk_graph *g, int32_t id) noexcept nogil:
    cdef const event *e = &g.ev[id]
    cdef int32_t t = e.thread
    cdef uint32_t place = 3 * e.index + 1
    cdef uint32_t *now = s.now + t * s.stride
    if e.index == 0 and g.th[t].creator >= 0:
        join(now, s.before + <size_t>g.th[t].creator * s.stride, s.stride)
    if is_fenced(e):
        fence(s, h, t, place - 1, True, True, True)
    if e.kind & EV_READ and e.rf >= 0:
        join(now if acquires(e) else s.pending + t * s.stride, s.message + <size_t>e.rf * s.stride, s.stride)
    elif e.kind == EV_SYNC and not e.flags & EF_CREATE and e.rf >= 0:
        join(now, s.now + g.ev[e.rf].thread * s.stride, s.stride)
    if e.kind == EV_FENCE and (not s.kernels or e.op == MK_SMP_MB or e.op == FENCE_SEQ_CST):
        fence(s, h, t, place, fence_acquires(e.op), fence_releases(e.op), fence_is_sc(e.op))
    now[t] = place + 1
    memcpy(s.before + <size_t>id * s.stride, now, s.stride * sizeof(uint32_t))
    if e.kind & EV_WRITE:
        add_write(s, g, id)
    if is_fenced(e):
        fence(s, h, t, place + 1, True, True, True)
    h.naccesses += is_sc_access(e)


cdef bint ready(const mk_graph *g, const uint8_t *done, int32_t id) noexcept nogil:
    cdef const event *e = &g.ev[id]
    if e.index == 0 and g.th[e.thread].creator >= 0 and not done[g.th[e.thread].creator]:
        return False
    return e.kind & EV_READ == 0 and (e.kind != EV_SYNC or e.flags & EF_CREATE) or e.rf < 0 or done[e.rf]


cdef int hb_compute(hb_clocks *h, const mk_graph *g, bint kernels=False) except -1 nogil:
    """Go through the events in an order of po U rf."""
    cdef state s
    cdef size_t n = g.n, threads = g.stride, i
    cdef size_t clocks = 3 * threads + 4 * n  # before, message, and two fences an event at most
    cdef size_t bytes = clocks * threads * sizeof(uint32_t) + 2 * n * sizeof(sc_fence) + threads * sizeof(int32_t) + n
    cdef char *memory = <char *>scratch(SCRATCH_HB, bytes)
    cdef uint8_t *done
    cdef int32_t *next_of
    cdef const po_thread *th
    cdef size_t left = n
    s.stride = g.stride
    s.kernels = kernels
    s.now = <uint32_t *>memory
    s.pending = s.now + threads * threads
    s.released = s.pending + threads * threads
    s.before = s.released + threads * threads
    s.message = s.before + n * threads
    s.fences = s.message + n * threads
    h.fence = <sc_fence *>(s.fences + 2 * n * threads)
    next_of = <int32_t *>(h.fence + 2 * n)
    done = <uint8_t *>(next_of + threads)
    memset(memory, 0, 3 * threads * threads * sizeof(uint32_t))
    memset(next_of, 0, threads * sizeof(int32_t) + n)
    h.stride = g.stride
    h.before = s.before
    h.fence_before = s.fences
    h.nfences = 0
    h.naccesses = 0
    while left:
        for i in range(threads):
            th = &g.th[i]
            while next_of[i] < th.n and ready(g, done, th.ev[next_of[i]]):
                add_event(&s, h, g, th.ev[next_of[i]])
                done[th.ev[next_of[i]]] = 1
                next_of[i] += 1
                left -= 1
    return 0
