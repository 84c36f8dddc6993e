"""Data races: two accesses of one location in different threads, one a write, one plain, that nothing orders.

C11's definition, for sc, tso and rc11: neither happens before the other (hb of models/_hb.pyx; Lahav et al., PLDI 2017). Under sc
and tso too: what counts is what the source says, not what the machine happens to order. The kernel's, for lkmm: linux-kernel.cat, "Plain
accesses and data races" (Linux 6.3 and later); explained in tools/memory-model/Documentation/explanation.txt. With the relations of
models/_bounds.pyx:
A write and a later one race unless ww-vis, and rw-xbstar if the first is plain, and wr-vis if the second is. A write and a read that sees
it or a later one race unless wr-vis, or rw-xbstar the other way round. A read and a write that it does not see race unless rw-xbstar.

An initial value races with nothing.
"""
from libc.stdint cimport int32_t, uint64_t
from libc.stdlib cimport calloc, free
from minikvm.check.graph cimport EF_RMW, EV_READ, EV_WRITE, event, location, mk_graph
from minikvm.check.model cimport MODEL_KERNEL_RACES, mk_model
from minikvm.check.models._bounds cimport ask, bounds, bounds_of
from minikvm.check.models._hb cimport happens_before, hb_clocks, hb_compute
from minikvm.check.models._kernel cimport LK_PLAIN, LK_WRITE, kernel_base, kernel_graph, lk_node
from minikvm.check.models._relation cimport has, row
from minikvm.check.models.lkmm cimport kernel_derive
from minikvm.check.scratch cimport SCRATCH_RACES

from typing import NamedTuple


cdef bint nodes_race(bounds *b, const kernel_graph *k, int32_t x, int32_t y) noexcept nogil:
    """Two accesses of one location, in different threads, at least one plain and one a write."""
    cdef const lk_node *first = &k.node[x]
    cdef const lk_node *second = &k.node[y]
    ask(b, k, x)
    ask(b, k, y)
    if first.tags & second.tags & LK_WRITE:
        if first.rank > second.rank:
            return nodes_race(b, k, y, x)
        return not (has(row(&b.ww_vis, x), y)
                    and (not first.tags & LK_PLAIN or has(row(&b.rw_xbstar, x), y))
                    and (not second.tags & LK_PLAIN or has(row(&b.wr_vis, x), y)))
    if second.tags & LK_WRITE:
        return nodes_race(b, k, y, x)
    if first.rank <= second.rank:
        return not has(row(&b.wr_vis, x), y) and not has(row(&b.rw_xbstar, y), x)
    return not has(row(&b.rw_xbstar, y), x)


cdef bint kernel_race(bounds *b, const kernel_graph *k, const mk_graph *g, int32_t p, int32_t q) noexcept nogil:
    """Of a plain access and any other event: an RMW is two accesses."""
    cdef int32_t x = k.start[p], y = k.start[q]
    cdef bint found = False
    if g.ev[q].kind & EV_READ:
        if g.ev[p].kind & EV_WRITE:
            found = nodes_race(b, k, x, y)
        y += 1
    if g.ev[q].kind & EV_WRITE and not found:
        found = nodes_race(b, k, x, y)
    return found


cdef int32_t find_races(const mk_model *m, const mk_graph *g, race *out, int32_t room) except -1 nogil:
    cdef hb_clocks h
    cdef kernel_graph k
    cdef bounds b
    cdef bint kernels = m.flags & MODEL_KERNEL_RACES, ready = False
    cdef int32_t p, i, q, n = 0
    cdef const event *e
    cdef const event *other
    cdef const location *at
    for p in range(g.n):
        e = &g.ev[p]
        if not is_plain(e):
            continue
        if not ready:
            if kernels:
                kernel_base(&k, g, SCRATCH_RACES, False)
                kernel_derive(&k)
                bounds_of(&b, &k)
            else:
                hb_compute(&h, g)
            ready = True
        at = &g.loc[e.loc]
        for i in range(at.nco + (at.nreads if e.kind & EV_WRITE else 0)):
            q = at.co[i] if i < at.nco else at.reads[i - at.nco]
            other = &g.ev[q]
            if other.thread == e.thread or (i >= at.nco and other.kind & EV_WRITE) or (is_plain(other) and q < p):
                continue
            if kernel_race(&b, &k, g, p, q) if kernels else not (happens_before(&h, g, p, q) or happens_before(&h, g, q, p)):
                if n < room:
                    out[n].first = p
                    out[n].second = q
                n += 1
    return n


# ---- those that were met ----

cdef inline uint64_t key_of(const event *a, const event *b) noexcept nogil:
    return (<uint64_t>a.thread << 48) | (<uint64_t>a.index << 32) | (<uint64_t>b.thread << 16) | b.index  # not 0: the threads differ


cdef inline int32_t slot_of(const race_keys *k, uint64_t key) noexcept nogil:
    """Where the key is, or where it would go."""
    cdef int32_t i = <int32_t>(((key * <uint64_t>0x9e3779b97f4a7c15) >> 32) & <uint64_t>(k.room - 1))
    while k.key[i] and k.key[i] != key:
        i = (i + 1) & (k.room - 1)
    return i


cdef bint add_key(race_keys *k, uint64_t key) except -1:
    """True: it is new."""
    cdef race_keys larger
    cdef int32_t i
    if 2 * k.n >= k.room:
        larger.room = max(64, 2 * k.room)
        larger.n = k.n
        larger.key = <uint64_t *>calloc(larger.room, sizeof(uint64_t))
        if larger.key == NULL:
            raise MemoryError("the table of races does not fit into memory")
        for i in range(k.room):
            if k.key[i]:
                larger.key[slot_of(&larger, k.key[i])] = k.key[i]
        free(k.key)
        k[0] = larger
    i = slot_of(k, key)
    if k.key[i]:
        return False
    k.key[i] = key
    k.n += 1
    return True


cdef bint may_race_anew(const race_keys *known, const mk_graph *g, int32_t but, int32_t count) noexcept nogil:
    cdef const event *e
    cdef const event *other
    cdef const location *at
    cdef int32_t p, q, i
    for p in range(g.n):
        e = &g.ev[p]
        if not is_plain(e) or 0 <= e.loc - but < count:
            continue
        at = &g.loc[e.loc]
        for i in range(at.nco + (at.nreads if e.kind & EV_WRITE else 0)):  # as find_races()
            q = at.co[i] if i < at.nco else at.reads[i - at.nco]
            other = &g.ev[q]
            if other.thread == e.thread or (i >= at.nco and other.kind & EV_WRITE) or (is_plain(other) and q < p):
                continue
            if known.room == 0 or not known.key[slot_of(known, key_of(e, other))]:
                return True
    return False


class Access(NamedTuple):
    """One side of a race."""

    thread: int
    index: int
    kind: str
    order: str
    loc: int
    name: str
    file: str
    line: int


cdef object access(const mk_graph *g, int32_t id):
    cdef const event *e = &g.ev[id]
    kind = "rmw" if e.flags & EF_RMW else "write" if e.kind & EV_WRITE else "read"
    return Access(e.thread, e.index, kind, "plain" if is_plain(e) else "marked", e.loc, e.name.decode() if e.name != NULL else "",
                  e.file.decode() if e.file != NULL else "", e.line)


cdef class RaceLog:
    """The different races of many executions: one for each pair of places in two threads.

    ``pairs``: of Access tuples, the plain one first.
    """

    def __init__(self):
        self.pairs = []

    def __dealloc__(self):
        free(self.keys.key)

    cdef int look(self, const mk_model *m, const mk_graph *g) except -1:
        """Note the races of a graph. How many it has."""
        cdef race some[64]
        cdef int32_t i, n = find_races(m, g, some, 64)
        cdef const event *a
        cdef const event *b
        for i in range(min(n, 64)):
            a = &g.ev[some[i].first]
            b = &g.ev[some[i].second]
            if add_key(&self.keys, key_of(a, b)):
                self.pairs.append((access(g, some[i].first), access(g, some[i].second)))
        return n
