# cython: language_level=3
"""Symmetry reduction: of the executions that differ by a permutation of identical threads, one. See symmetry.pyx."""
from libc.stdint cimport int32_t
from minikvm.check.graph cimport in_prefix, mk_graph

# group[t]: the same number for threads with the same code; -1 for a thread that is like no other.
# Is the event, in its place, not before its counterparts in threads of lower number, nor after those in threads of higher number?
cdef bint in_order(const mk_graph *g, const int32_t *group, int32_t id) noexcept nogil
# The foremost counterpart in a thread of higher number, among what was there before the event was added and what is in w's prefix; or NONE.
cdef int32_t counterpart(const mk_graph *g, const int32_t *group, int32_t id, int32_t w) noexcept nogil
# Was the event added as the last of those that may stand before its counterpart u?
cdef bint last_before(const mk_graph *g, int32_t id, int32_t u, int32_t w) noexcept nogil

cdef inline bint was_there(const mk_graph *g, int32_t a, int32_t stamp_of_a, int32_t stamp, int32_t w) noexcept nogil:
    """Does the paper's Previous hold *a*: was it there before the addition with this stamp, or is it in the prefix of w?"""
    return stamp_of_a <= stamp or (a != w and in_prefix(g, a, w))
