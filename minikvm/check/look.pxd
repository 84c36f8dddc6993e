# cython: language_level=3
"""A read that nobody made: what the memory model would let it find. The property P2 asks for one."""
from libc.stdint cimport int32_t
from minikvm.check.graph cimport mk_graph
from minikvm.check.model cimport mk_model

# Could thread t with a READ_ONCE(), right after so many of its events, find a value that is older than what *write* stored?
cdef bint may_find_older(const mk_model *m, const mk_graph *g, int32_t t, int32_t after, int32_t write) except -1 nogil
