# cython: language_level=3
"""pCPU slots: taking and giving up, raising interrupts, handling them. The IPI rules are in ARCHITECTURE.md, "pCPUs, IRQs and IPIs"."""
from libc.stdint cimport int32_t, uint32_t, uint64_t
from minikvm.core.world cimport MK_RELAXED, mk_atomic32, mk_bare_load64, mk_bare_store64, mk_ctx
from minikvm.live.state cimport PLACE_BITS, lctx, live_t, pcpu_t

cdef inline void set_where(lctx *t, uint32_t where) noexcept nogil:
    """For the watchdog: what this thread is doing now, and that this is another time. One store and no clock: it is done at each guest entry."""
    mk_bare_store64(&t.place, MK_RELAXED, ((mk_bare_load64(&t.place, MK_RELAXED) >> PLACE_BITS) + 1) << PLACE_BITS | where)

cdef int take(lctx *t, pcpu_t *p) except -1 nogil
cdef int give(lctx *t) except -1 nogil
cdef uint32_t raise_irq(mk_ctx *c, live_t *l, pcpu_t *p, uint32_t bits) except? 0xffffffff nogil
cdef int idle_service(mk_ctx *c, live_t *l, pcpu_t *p) except -1 nogil
cdef int service(lctx *t) except -1 nogil
cdef int await_slot(lctx *t, pcpu_t *p, mk_atomic32 *until_zero, uint64_t ns) except -1 nogil
cdef int stop_everything(mk_ctx *c, live_t *l) except -1 nogil
