# cython: language_level=3
"""Data races of an execution (property P10)."""
from libc.stdint cimport int32_t, uint64_t
from minikvm.check.graph cimport EF_RMW, event, mk_graph
from minikvm.check.model cimport mk_model
from minikvm.core.world cimport MK_PLAIN

cdef struct race:    # ids of two events of one location and different threads; at least the first is plain
    int32_t first
    int32_t second


cdef inline bint is_plain(const event *e) noexcept nogil:
    """A plain access. An RMW never is one."""
    return e.order == MK_PLAIN and e.loc >= 0 and not e.flags & EF_RMW


# The data races of a consistent graph, by the model's own definition (MODEL_KERNEL_RACES) or C11's. How many there are; the first *room*
# of them are stored. Costs next to nothing when no access is plain.
cdef int32_t find_races(const mk_model *m, const mk_graph *g, race *out, int32_t room) except -1 nogil


# Pairs of places in two threads, in a hash table (linear probing; 0 is empty).
cdef struct race_keys:
    uint64_t *key
    int32_t room       # a power of two, or 0
    int32_t n

# Has the graph two accesses that might race and are not among those that did, in locations other than but..but+count-1? A quick look at
# what conflicts: where it finds nothing, find_races() finds nothing new.
cdef bint may_race_anew(const race_keys *known, const mk_graph *g, int32_t but, int32_t count) noexcept nogil


cdef class RaceLog:
    cdef race_keys keys
    cdef readonly list pairs
    cdef int look(self, const mk_model *m, const mk_graph *g) except -1
