# cython: language_level=3
"""Ghost state of the live VM: what happened, seen from outside the code under test, and the checks that it allows."""
from libc.stdint cimport uint32_t, uint64_t
from minikvm.core.hdr cimport mk_hdr
from minikvm.core.world cimport mk_observer
from minikvm.live.state cimport lctx, line_t, live_t

cdef const mk_observer *live_observer() noexcept nogil
cdef int begin_call(lctx *t, line_t *line) except -1 nogil
cdef int end_call(lctx *t, line_t *line, uint64_t ended) except -1 nogil
cdef int check_gate(lctx *t, line_t *line) except -1 nogil
cdef int found(live_t *l, uint32_t prop, uint32_t vcpu, uint32_t kind, uint32_t who, uint64_t expected) except -1 nogil
cdef void record(live_t *l, uint32_t who, mk_hdr *hists, uint32_t kind, uint64_t value) noexcept nogil
