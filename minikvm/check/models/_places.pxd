# cython: language_level=3
"""Coherence of one location, for the models that have it as an axiom of its own: acyclic(po-loc U rf U co U fr).

Coherence is a line: a write, its readers, the next write, its readers. An RMW stands where its write does.
"""
from libc.stdint cimport int32_t
from minikvm.check.graph cimport EV_READ, EV_WRITE, event, mk_graph, rank_of


cdef inline int32_t place(const mk_graph *g, const event *e) noexcept nogil:
    """Where an access stands on its location's line. (a, b) is in (rf U co U fr)+ iff place(a) < place(b)."""
    return 2 * e.rank if e.kind & EV_WRITE else 2 * rank_of(g, e.rf) + 1


cdef inline bint coherent(const mk_graph *g, int32_t id) noexcept nogil:
    """Is the last event of a thread where program order wants it? The thread was coherent without it: the access before it decides."""
    cdef const event *e = &g.ev[id]
    cdef const int32_t *ev = g.th[e.thread].ev
    cdef const event *x
    cdef int32_t i
    for i in range(<int32_t>e.index - 1, -1, -1):
        x = &g.ev[ev[i]]
        if x.loc == e.loc and x.kind & (EV_READ | EV_WRITE):
            return place(g, x) <= place(g, e)
    return True
