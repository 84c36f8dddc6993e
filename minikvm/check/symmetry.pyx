"""Symmetry reduction: of the executions that differ by a permutation of identical threads, one.

A thread's events have keys: of a read the place of its source in coherence, of a write its own place, of a choose its answer (0 is the
last). Threads of one group are compared lexicographically; an execution represents its orbit iff their numbers follow that order.
Places in coherence do not change when threads are renamed: each orbit is explored, and by exactly one execution; except where two
threads that have read, or chosen, the same before come to an RMW: there both orders are explored.

Being in order is one more axiom for the exploration, and it has what TruSt asks of axioms. It holds for what is left of a graph when a
suffix goes, since only events with the same past are compared. And a graph that has it can be extended: by the last value in coherence,
as ever, or, when a counterpart u in a thread of higher number is there already, by what u does: the same source, the place right before
u's. That is consistent in every model that orders events by program order, reads-from, coherence and from-reads alone: both threads
have the same past, and what would contradict the event would contradict u. A successful RMW cannot share u's source: it takes the end
of the chain of RMWs in front of the last plain write up to that source. (If there is none, then u's thread has the RMW before it in its
prefix, and nothing is missing. But a past that was chosen as u's, when another would have done, may lead there: hence the exception
above.) This extension takes the place of "added maximally" in the test of a revisit.

The idea of an order on identical threads: Kokologiannakis, Marmanis, Vafeiadis, "SPORE: Combining symmetry and partial order reduction"
(PLDI 2024); the way it is done here is another one.
"""
from libc.stdint cimport int32_t
from minikvm.check.graph cimport (
    EF_RMW, EV_CHOOSE, EV_READ, EV_WRITE, INIT, NONE, event, location, mk_graph, rank_of)


cdef int32_t compare(const mk_graph *g, int32_t a, int32_t b) noexcept nogil:
    """The keys of two counterparts: negative when a's is the smaller one."""
    cdef const event *e = &g.ev[a]
    cdef const event *f = &g.ev[b]
    if e.kind & EV_READ:
        # Where threads have parted, the other's event at this index may be none that reads: same_past() tells them apart, this does not.
        return rank_of(g, e.rf) - rank_of(g, f.rf) if f.kind & EV_READ else 0
    if e.kind & EV_WRITE:
        return e.rank - f.rank
    if e.kind == EV_CHOOSE:
        return <int32_t>f.rval - <int32_t>e.rval
    return 0


cdef bint same_past(const mk_graph *g, int32_t t, int32_t u, int32_t index) noexcept nogil:
    """Are the two threads alike before this event, so that it is the one that decides between them?"""
    cdef const event *e
    cdef int32_t i
    cdef bint chose = False
    for i in range(index + 1):
        e = &g.ev[g.th[t].ev[i]]
        if e.flags & EF_RMW and chose:
            return False
        if i < index and compare(g, g.th[t].ev[i], g.th[u].ev[i]) != 0:
            return False
        chose = chose or e.kind & (EV_READ | EV_WRITE | EV_CHOOSE)
    return True


cdef bint in_order(const mk_graph *g, const int32_t *group, int32_t id) noexcept nogil:
    cdef int32_t t = g.ev[id].thread
    cdef int32_t index = g.ev[id].index
    cdef int32_t u, c
    if group[t] < 0:
        return True
    for u in range(g.stride):
        if u == t or group[u] != group[t] or g.th[u].n <= index:
            continue
        c = compare(g, id, g.th[u].ev[index])
        if (c < 0 if u < t else c > 0) and same_past(g, t, u, index):
            return False
    return True


cdef int32_t counterpart(const mk_graph *g, const int32_t *group, int32_t id, int32_t w) noexcept nogil:
    cdef const event *e = &g.ev[id]
    cdef int32_t t = e.thread
    cdef int32_t u, other, found = NONE
    if group[t] < 0:
        return NONE
    for u in range(t + 1, g.stride):
        if group[u] != group[t] or g.th[u].n <= e.index:
            continue
        other = g.th[u].ev[e.index]
        # The read of an RMW is in the prefix of its write.
        if not was_there(g, other, g.ev[other].stamp, e.stamp, w) and not (other == w and g.ev[w].flags & EF_RMW):
            continue
        if same_past(g, t, u, e.index) and (found == NONE or compare(g, other, found) < 0):
            found = other
    return found


cdef bint last_before(const mk_graph *g, int32_t id, int32_t u, int32_t w) noexcept nogil:
    cdef const event *e = &g.ev[id]
    cdef const event *f = &g.ev[u]
    cdef const location *l
    cdef int32_t source, i
    if e.kind == EV_CHOOSE:
        return e.rval == f.rval
    if e.kind & EV_READ:
        if not (f.flags & EF_RMW and f.kind & EV_WRITE):
            return e.rf == f.rf
        l = &g.loc[e.loc]
        source = f.rf
        while source != INIT and g.ev[source].flags & EF_RMW:
            source = g.ev[source].rf
        if source == INIT:
            return False
        for i in range(g.ev[source].rank - 1, -1, -1):
            if was_there(g, l.co[i], g.ev[l.co[i]].wstamp, e.stamp, w):
                return e.rf == l.co[i]
        return e.rf == INIT
    l = &g.loc[e.loc]
    for i in range(e.rank + 1, f.rank):
        if was_there(g, l.co[i], g.ev[l.co[i]].wstamp, e.wstamp, w):
            return False
    return e.rank < f.rank
