# cython: language_level=3
"""pCPU slots: taking and giving up, raising interrupts, handling them. The IPI rules are in ARCHITECTURE.md, "pCPUs, IRQs and IPIs"."""
from libc.stdint cimport int32_t, uint32_t, uint64_t
from minikvm.core.world cimport (
    MK_CMPXCHG, MK_RELAXED, MK_SEQ_CST, mk_atomic32, mk_bare_load64, mk_bare_rmw32, mk_bare_store64, mk_ctx)
from minikvm.live.state cimport LOCK_FOR_BITS, LOCK_HOLDER_BITS, P_GUEST, P_HELD, PLACE_BITS, lctx, live_t, pcpu_t

cdef inline void set_where(lctx *t, uint32_t where) noexcept nogil:
    """For the watchdog: what this thread is doing now, and that this is another time. One store, no clock: each guest entry does it."""
    mk_bare_store64(&t.place, MK_RELAXED, ((mk_bare_load64(&t.place, MK_RELAXED) >> PLACE_BITS) + 1) << PLACE_BITS | where)

cdef inline void note_lock_wait(lctx *t, uint64_t what, uint64_t holder) noexcept nogil:
    """For the watchdog: one look at a lock that is held by the context *holder* - 1 (0: not held). Another holder: another wait."""
    cdef uint64_t now = what << LOCK_HOLDER_BITS | holder if holder else 0
    cdef uint64_t last = mk_bare_load64(&t.lock_wait, MK_RELAXED)
    cdef uint64_t times = last >> (LOCK_HOLDER_BITS + LOCK_FOR_BITS)
    if now != last & (((<uint64_t>1) << (LOCK_HOLDER_BITS + LOCK_FOR_BITS)) - 1):
        mk_bare_store64(&t.lock_wait, MK_RELAXED, (times + 1) << (LOCK_HOLDER_BITS + LOCK_FOR_BITS) | now)

cdef inline int interrupt(mk_ctx *c, live_t *l, pcpu_t *p, uint32_t bits) except -1 nogil:
    """One IPI. The sender serves a slot that nobody holds."""
    # A guess first: in the guest, with nothing pending. A fetch_or() whose result is wanted is a load and then a compare-and-swap, which
    # fetches the other CPU's cache line twice. seq_cst: the sender's stores before it are seen by the handler; pairs with the fetch_and
    # in service() and the compare-and-swap in enter_guest().
    if mk_bare_rmw32(&p.pending, MK_CMPXCHG, MK_SEQ_CST, P_HELD | P_GUEST | bits, P_HELD | P_GUEST) == (P_HELD | P_GUEST):
        return l.ring(l.backend, c, &p.bell)
    return interrupt_others(c, l, p, bits)  # the swap failed, and was no more than a look (relaxed)

cdef uint32_t raise_irq(mk_ctx *c, live_t *l, pcpu_t *p, uint32_t bits) except? 0xffffffff nogil
cdef int interrupt_others(mk_ctx *c, live_t *l, pcpu_t *p, uint32_t bits) except -1 nogil
cdef int take(lctx *t, pcpu_t *p) except -1 nogil
cdef int give(lctx *t) except -1 nogil
cdef int idle_service(mk_ctx *c, live_t *l, pcpu_t *p) except -1 nogil
cdef int service(lctx *t) except -1 nogil
cdef int answer_several(mk_ctx *c, live_t *l, uint32_t first, uint64_t word) except -1 nogil
cdef int service_others(lctx *t, pcpu_t *p, uint32_t irqs) except -1 nogil
cdef int await_slot(lctx *t, pcpu_t *p, mk_atomic32 *until_zero, uint64_t ns) except -1 nogil
cdef int stop_everything(mk_ctx *c, live_t *l) except -1 nogil
