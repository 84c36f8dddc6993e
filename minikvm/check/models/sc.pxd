# cython: language_level=3
"""Sequential consistency, and what the weaker models ask of it first."""
from libc.stdint cimport int32_t
from minikvm.check.graph cimport mk_graph

# Does the addition of e (and of r's new source, r else NONE) close a cycle of po, rf, co and fr?
# Every model here forbids only such cycles: where this says no, the addition is consistent in each of them.
cdef int closes_cycle(const mk_graph *g, int32_t e, int32_t r) except -1 nogil
