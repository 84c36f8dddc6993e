# cython: language_level=3
"""The live machine: struct mk_machine over slots, threads and a back end."""
from minikvm.core.world cimport mk_machine
from minikvm.live.state cimport lctx

cdef const mk_machine *live_machine() noexcept nogil
cdef int schedule_in(lctx *t) except -1 nogil
cdef int schedule_out(lctx *t) except -1 nogil
