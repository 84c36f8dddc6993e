# cython: language_level=3
"""Sending IPIs, and waiting for their acknowledgements."""
from libc.stdint cimport int32_t, uint64_t
from minikvm.core.world cimport mk_ctx
from minikvm.live.state cimport lctx

cdef int call_several(lctx *t, const uint64_t *mask, int wait) except -1 nogil
cdef int call_many(mk_ctx *c, const uint64_t *mask, int wait) except -1 nogil
cdef int call_wait(mk_ctx *c) except -1 nogil
cdef int reschedule(mk_ctx *c, int32_t pcpu) except -1 nogil
