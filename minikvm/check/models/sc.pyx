"""Sequential consistency: every execution is an interleaving of the threads' program orders.

Source: Lamport, IEEE Trans. Computers C-28(9), 1979; as an axiom, acyclic(po U rf U co U fr) (Shasha and Snir, TOPLAS 10(2), 1988).
"""
from libc.stdint cimport int32_t, uint16_t
from libc.stdlib cimport free, malloc
from libc.string cimport memcpy
from minikvm.check.graph cimport EV_WRITE, NONE, co_next, event, location, mk_graph, rank_of
from minikvm.check.model cimport MODEL_MONOTONE, MODEL_RF_ORDERS, mk_model, model_capsule
from minikvm.core.world cimport MK_ABI

from minikvm.kinds import MemoryModel


cdef inline void join(const mk_graph *g, uint16_t *clock, int32_t id) noexcept nogil:
    cdef const uint16_t *other = g.porf + <size_t>id * g.stride
    cdef int32_t t
    for t in range(g.stride):
        if other[t] > clock[t]:
            clock[t] = other[t]


cdef bint reached(const mk_graph *g, uint16_t *clock, int32_t *done, int32_t e, int32_t s) noexcept nogil:
    """Is the write *s* before the events of *clock* in po U rf U co U fr? *e* counts for its place in po and rf only.

    *clock* (one frontier a thread, since po is total) grows to all that is before it: with a write, everything that is before it in
    coherence, and everything that has read a write before it. *done*: for each location, the rank up to which that was done; -1.
    """
    cdef int32_t l, i, j, k, w
    cdef int32_t sloc = g.ev[s].loc, srank = g.ev[s].rank
    cdef const location *at
    cdef const event *x
    cdef bint grown = True
    while grown:
        grown = False
        for j in range(g.ntouched):
            l = g.touched[j]
            at = &g.loc[l]
            k = at.nco - 1
            while k > done[l]:
                w = at.co[k]
                if g.ev[w].index < clock[g.ev[w].thread] and w != e:
                    break
                k -= 1
            if k <= done[l]:
                continue
            if l == sloc and k >= srank:
                return True
            for i in range(done[l] + 1, k):
                w = at.co[i]
                if g.ev[w].index >= clock[g.ev[w].thread]:
                    join(g, clock, w)
                    grown = True
            for i in range(at.nreads):
                x = &g.ev[at.reads[i]]
                if x.index >= clock[x.thread] and rank_of(g, x.rf) < k:
                    join(g, clock, at.reads[i])
                    grown = True
            done[l] = k
    return False


cdef int closes_cycle(const mk_graph *g, int32_t e, int32_t r) except -1 nogil:
    # A new cycle goes through e or r. It leaves them through co or fr, and so through s, the next write after e or e's source (a write
    # that r now reads is e itself). It comes in through po or rf, that is from their prefix: one that came in through co or fr, from x
    # to e, would have x before s without e, and be an old cycle.
    cdef int32_t s = co_next(g, g.ev[e].loc, e if g.ev[e].kind & EV_WRITE else g.ev[e].rf)
    cdef int32_t top = e if r == NONE else r
    cdef uint16_t few_threads[32]
    cdef int32_t few_locations[64]
    cdef uint16_t *clock = few_threads
    cdef int32_t *done = few_locations
    cdef void *heap = NULL
    cdef int32_t l
    cdef bint found
    if s == NONE:
        return 0
    if g.stride > 32 or g.nlocs > 64:
        heap = malloc(g.nlocs * sizeof(int32_t) + g.stride * sizeof(uint16_t))
        if heap == NULL:
            with gil:
                raise MemoryError("no memory for the frontiers of a consistency check")
        done = <int32_t *>heap
        clock = <uint16_t *>(done + g.nlocs)
    memcpy(clock, g.porf + <size_t>top * g.stride, g.stride * sizeof(uint16_t))
    for l in range(g.ntouched):
        done[g.touched[l]] = -1
    found = reached(g, clock, done, e, s)
    free(heap)
    return found


cdef int consistent(const mk_model *m, const mk_graph *g, int32_t e, int32_t r) except -1 nogil:
    return not closes_cycle(g, e, r)


# MONOTONE: let reading w close a cycle. It goes from s, the next write after w, to the prefix of the read without w (from s to w would be
# an old cycle). Reading an older w' goes to s by coherence and closes the same one; so does a write that is placed before an older s.
cdef mk_model table
table.abi = MK_ABI
table.size = sizeof(mk_model)
table.flags = MODEL_MONOTONE | MODEL_RF_ORDERS
table.consistent = consistent


class SC(MemoryModel):
    """Sequential consistency: the interleavings of the threads, and nothing else.

    Barriers and orders of accesses mean nothing here. Source: Lamport, IEEE Trans. Computers C-28(9), 1979.
    """

    name = "sc"

    def native(self):
        """The mk_model capsule; its struct is the module's own."""
        return model_capsule(&table)
