# cython: language_level=3
"""C11's happens-before as clocks: for each event, of each thread the length of what happens before the event.

A thread's line has three places for an event: a fence before it, the event itself, a fence after it (a fully ordered RMW of the kernel
stands between two fences). Lengths count places.
"""
from libc.stdint cimport int32_t, uint32_t
from minikvm.check.graph cimport EF_PENDING, EF_RMW, EV_FENCE, EV_READ, EV_WRITE, event, mk_graph
from minikvm.core.world cimport MK_ACQ_REL, MK_ACQUIRE, MK_FULL, MK_RELEASE, MK_SEQ_CST

cdef struct sc_fence:
    int32_t thread
    uint32_t place

cdef struct hb_clocks:
    int32_t stride
    const uint32_t *before  # n x stride: [id * stride + t]: so many places of thread t happen before the event; its own place counts
    int32_t naccesses       # SC accesses
    int32_t nfences         # SC fences, and their clocks
    sc_fence *fence
    const uint32_t *fence_before

# Clocks of all events. They hold until the next call on the same OS thread.
# kernels: only what orders in the Linux-kernel memory model as well (and not all of that): no smp_wmb(), no smp_rmb(), no barrier that is
# for RMWs only, no release sequence but of RMWs.
cdef int hb_compute(hb_clocks *h, const mk_graph *g, bint kernels=*) except -1 nogil

cdef bint fence_acquires(int kind) noexcept nogil
cdef bint fence_releases(int kind) noexcept nogil
cdef bint fence_is_sc(int kind) noexcept nogil


cdef inline bint happens_before(const hb_clocks *h, const mk_graph *g, int32_t a, int32_t b) noexcept nogil:
    return a != b and 3 * <uint32_t>g.ev[a].index + 1 < h.before[<size_t>b * h.stride + g.ev[a].thread]


cdef inline bint rmw_succeeds(const event *e) noexcept nogil:
    """Did an RMW take place, or is it going to?"""
    return e.flags & EF_RMW and (e.kind & EV_WRITE or e.flags & EF_PENDING)


cdef inline bint is_fenced(const event *e) noexcept nogil:
    """A fully ordered RMW: an SC fence, the relaxed RMW, an SC fence. One that fails orders nothing."""
    return e.order == MK_FULL and rmw_succeeds(e)


cdef inline bint acquires(const event *e) noexcept nogil:
    """An RMW that fails does not: it is a relaxed read (atomics.h)."""
    if e.flags & EF_RMW and not rmw_succeeds(e):
        return False
    return e.kind & EV_READ and (e.order == MK_ACQUIRE or e.order == MK_ACQ_REL or e.order == MK_SEQ_CST)


cdef inline bint releases(const event *e) noexcept nogil:
    return e.kind & EV_WRITE and (e.order == MK_RELEASE or e.order == MK_ACQ_REL or e.order == MK_SEQ_CST)


cdef inline bint is_sc_access(const event *e) noexcept nogil:
    if e.flags & EF_RMW and not rmw_succeeds(e):
        return False
    return e.order == MK_SEQ_CST and e.kind & (EV_READ | EV_WRITE)


cdef inline bint is_sc_fence(const event *e) noexcept nogil:
    return e.kind == EV_FENCE and fence_is_sc(e.op)
