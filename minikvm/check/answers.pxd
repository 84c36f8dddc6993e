# cython: language_level=3
"""The choices of an exploration: pushed with their first answer, and given the next one on the way back."""
from libc.stdint cimport int32_t, uint64_t
from minikvm.check.explorer cimport mk_explorer
from minikvm.check.graph cimport mk_graph

cdef int no_memory() except -1 nogil
cdef void settle(mk_graph *g, int32_t id) noexcept nogil
cdef int push(mk_explorer *x, int kind, int32_t id, int32_t pos, int32_t r) except -1 nogil
cdef int pop(mk_explorer *x) except -1 nogil
cdef int place_rmw(mk_explorer *x, mk_graph *g, int32_t id, int32_t r) except -1 nogil
cdef int next_answer(mk_explorer *x) except -1 nogil
cdef int backtrack(mk_explorer *x) except -1 nogil
