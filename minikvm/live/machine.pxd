# cython: language_level=3
"""The live machine: struct mk_machine over slots, threads and a back end."""
from libc.stdint cimport uint64_t
from minikvm.core.world cimport mk_ctx, mk_machine, mk_vcpu
from minikvm.live.state cimport lctx, pcpu_t

cdef const mk_machine *live_machine() noexcept nogil
cdef int schedule_in(lctx *t) except -1 nogil
cdef int schedule_out(lctx *t) except -1 nogil
cdef int guest_sleep(lctx *t, mk_vcpu *v, pcpu_t *p, uint64_t ns) except -1 nogil
cdef int guest_spin(lctx *t, mk_vcpu *v, pcpu_t *p, uint64_t ns) except -1 nogil
