"""RC11: C11 with repaired seq_cst and without reads out of thin air.

Sources: Lahav, Vafeiadis, Kang, Hur and Dreyer, Repairing Sequential Consistency in C/C++11, PLDI 2017; herd7's rc11.cat. The axioms:
  irreflexive(hb; eco?)    (coherence)         acyclic(psc)    (SC)        acyclic(sb U rf): every graph of the explorer is
  eco  = (rf U mo U rb)+                       hb: _hb.pyx
  psc  = pscb U pscf                           pscb = ([SC] U [Fsc]; hb?); scb; ([SC] U hb?; [Fsc])
  scb  = sb U sbl; hb; sbl U hbl U mo U rb     pscf = [Fsc]; (hb U hb; eco; hb); [Fsc]
with sbl = sb between different locations, hbl = hb at one.

The kernel's operations (docs/protocol.md): smp_mb and smp_mb__before/after_atomic are SC fences, smp_wmb a release fence and smp_rmb an
acquire fence (both stronger than the kernel's), a fully ordered RMW is a relaxed one between two SC fences. An RMW of any order that fails
is a relaxed read, as atomics.h has it. Plain accesses count as relaxed ones; races.pyx finds what is wrong with them.

An RMW is one event here and two in the .cat file: what comes to its write by mo and leaves its read by rb goes there by mo (its write is
right after its source), and all else that leaves its read leaves its write too. So nothing is related that is not so there.
"""
from libc.stdint cimport int32_t, uint32_t, uint64_t
from minikvm.check.graph cimport EV_READ, EV_WRITE, NONE, event, in_prefix, location, mk_graph, rank_of
from minikvm.check.model cimport mk_model, model_capsule
from minikvm.check.models._hb cimport happens_before, hb_clocks, hb_compute, is_fenced, is_sc_access, is_sc_fence
from minikvm.check.models._places cimport coherent, place
from minikvm.check.models._relation cimport (
    acyclic, add_image, add_set, next_in, relate, relation, relation_at, row, words_for)
from minikvm.check.models.sc cimport closes_cycle
from minikvm.check.scratch cimport SCRATCH_MODEL, scratch
from minikvm.core.world cimport MK_ABI

from minikvm.kinds import MemoryModel


# ---- coherence ----

cdef bint overtaken(const mk_graph *g, const hb_clocks *h, int32_t id) noexcept nogil:
    """Does an access of a later place on the location's line happen before *id*? Without clocks: is it in its prefix, so that it might?"""
    cdef const event *e = &g.ev[id]
    cdef const location *at = &g.loc[e.loc]
    cdef int32_t rank = e.rank if e.kind & EV_WRITE else rank_of(g, e.rf)
    cdef int32_t i, x
    for i in range(rank + 1, at.nco):
        if in_prefix(g, at.co[i], id) and (h == NULL or happens_before(h, g, at.co[i], id)):
            return True
    for i in range(at.nreads):
        x = at.reads[i]
        if x != id and rank_of(g, g.ev[x].rf) > rank and in_prefix(g, x, id) and (h == NULL or happens_before(h, g, x, id)):
            return True
    return False


# ---- psc, if nothing but fences is SC: the fences' clocks are enough ----

cdef bint fences_consistent(const mk_graph *g, const hb_clocks *h) except -1 nogil:
    """From fence a to fence b: hb, or hb to an access, eco, and hb from another access of the location."""
    cdef int32_t m = h.nfences, nlocs = g.nlocs, words = words_for(h.nfences)
    cdef size_t bytes = <size_t>m * words * sizeof(uint64_t) + <size_t>m * (2 * nlocs + 3) * sizeof(int32_t)
    cdef uint64_t *memory = <uint64_t *>scratch(SCRATCH_MODEL, bytes)
    cdef relation psc = relation_at(&memory, m)
    cdef int32_t *first = <int32_t *>memory          # m x nlocs: the smallest place of an access that fence a happens before
    cdef int32_t *last = first + m * nlocs           # m x nlocs: the largest place of one that happens before fence b
    cdef int32_t *order = last + m * nlocs
    cdef int32_t a, b, i, l, at
    cdef const event *e
    for a in range(m):
        for i in range(g.ntouched):
            first[a * nlocs + g.touched[i]] = 0x7fffffff
            last[a * nlocs + g.touched[i]] = -1
    for i in range(g.n):
        e = &g.ev[i]
        if not e.kind & (EV_READ | EV_WRITE):
            continue
        at = place(g, e)
        for a in range(m):
            if h.fence[a].place < h.before[<size_t>i * h.stride + h.fence[a].thread]:
                first[a * nlocs + e.loc] = min(first[a * nlocs + e.loc], at)
            if 3 * <uint32_t>e.index + 1 < h.fence_before[<size_t>a * h.stride + e.thread]:
                last[a * nlocs + e.loc] = max(last[a * nlocs + e.loc], at)
    for a in range(m):
        for b in range(m):
            if a != b and h.fence[a].place < h.fence_before[<size_t>b * h.stride + h.fence[a].thread]:
                relate(&psc, a, b)
                continue
            for i in range(g.ntouched):
                l = g.touched[i]
                if first[a * nlocs + l] < last[b * nlocs + l]:
                    relate(&psc, a, b)
                    break
    return acyclic(&psc, NULL, order, order + m)


# ---- psc, all of it ----

cdef struct node:
    int32_t id        # of the event, or -1: a fence beside an RMW
    int32_t thread
    uint32_t place    # on its thread's line
    const uint32_t *before
    bint sc
    bint fence        # an SC fence


cdef int32_t nodes_of(const mk_graph *g, const hb_clocks *h, node *nodes) noexcept nogil:
    cdef int32_t i, n = 0
    cdef const event *e
    for i in range(g.n):
        e = &g.ev[i]
        nodes[n].id = i
        nodes[n].thread = e.thread
        nodes[n].place = 3 * e.index + 1
        nodes[n].before = h.before + <size_t>i * h.stride
        nodes[n].fence = is_sc_fence(e)
        nodes[n].sc = nodes[n].fence or is_sc_access(e)
        n += 1
    for i in range(h.nfences):
        if h.fence[i].place % 3 != 1:
            nodes[n].id = -1
            nodes[n].thread = h.fence[i].thread
            nodes[n].place = h.fence[i].place
            nodes[n].before = h.fence_before + <size_t>i * h.stride
            nodes[n].fence = nodes[n].sc = True
            n += 1
    return n


cdef inline bint same_location(const mk_graph *g, const node *a, const node *b) noexcept nogil:
    return a.id >= 0 and b.id >= 0 and g.ev[a.id].loc >= 0 and g.ev[a.id].loc == g.ev[b.id].loc


cdef void base_relations(const mk_graph *g, const node *nodes, relation *hb, relation *sbl, relation *scb, relation *eco) noexcept nogil:
    """hb, sb between different locations, eco; and of scb what needs no composition."""
    cdef int32_t a, b
    cdef const node *x
    cdef const node *y
    for a in range(hb.n):
        x = &nodes[a]
        for b in range(hb.n):
            y = &nodes[b]
            if a == b:
                continue
            if x.place < y.before[x.thread]:
                relate(hb, a, b)
                if x.thread == y.thread and not same_location(g, x, y):
                    relate(sbl, a, b)
                if x.thread == y.thread or same_location(g, x, y):
                    relate(scb, a, b)
            if same_location(g, x, y) and place(g, &g.ev[x.id]) < place(g, &g.ev[y.id]):
                relate(eco, a, b)
                if g.ev[y.id].kind & EV_WRITE:
                    relate(scb, a, b)  # mo, rb


cdef void compose(relation *into, const relation *a, const relation *b) noexcept nogil:
    cdef int32_t i
    for i in range(a.n):
        add_image(row(into, i), row(a, i), b)


cdef bint all_consistent(const mk_graph *g, const hb_clocks *h) except -1 nogil:
    cdef int32_t most = g.n + h.nfences, words = words_for(most), n, i, j, k
    cdef size_t bytes = (most * sizeof(node) + 8 * <size_t>most * words * sizeof(uint64_t) + 3 * words * sizeof(uint64_t)
                         + 3 * most * sizeof(int32_t))
    cdef node *nodes = <node *>scratch(SCRATCH_MODEL, bytes)
    cdef uint64_t *memory = <uint64_t *>(nodes + most)
    cdef relation hb, sbl, scb, eco, step, psc
    cdef uint64_t *start
    cdef uint64_t *end
    n = nodes_of(g, h, nodes)
    hb = relation_at(&memory, n)
    sbl = relation_at(&memory, n)
    scb = relation_at(&memory, n)
    eco = relation_at(&memory, n)
    base_relations(g, nodes, &hb, &sbl, &scb, &eco)
    step = relation_at(&memory, n)
    compose(&step, &sbl, &hb)
    compose(&scb, &step, &sbl)
    step = relation_at(&memory, n)
    compose(&step, &hb, &eco)
    psc = relation_at(&memory, n)
    words = hb.words
    start = memory
    end = memory + words
    memory += 2 * words
    for i in range(n):
        if not nodes[i].sc:
            continue
        for k in range(words):
            start[k] = row(&scb, i)[k]
            end[k] = 0
        if nodes[i].fence:
            add_image(start, row(&hb, i), &scb)
            add_set(end, row(&hb, i), words)         # pscf: hb
            add_image(end, row(&step, i), &hb)       # pscf: hb; eco; hb
        add_image(end, start, &hb)
        j = next_in(start, 0, words)
        while j >= 0:
            if nodes[j].sc:
                relate(&psc, i, j)
            j = next_in(start, j + 1, words)
        j = next_in(end, 0, words)
        while j >= 0:
            if nodes[j].fence:
                relate(&psc, i, j)
            j = next_in(end, j + 1, words)
    return acyclic(&psc, NULL, <int32_t *>memory, <int32_t *>memory + n)


# ---- the model ----

cdef int32_t count_sc(const mk_graph *g, int32_t *accesses) noexcept nogil:
    """SC fences (two beside a fully ordered RMW), and SC accesses."""
    cdef int32_t i, n = 0
    for i in range(g.n):
        n += is_sc_fence(&g.ev[i]) + 2 * is_fenced(&g.ev[i])
        accesses[0] += is_sc_access(&g.ev[i])
    return n


cdef int consistent(const mk_model *m, const mk_graph *g, int32_t e, int32_t r) except -1 nogil:
    """Coherence of e and r (hb among the others is as before: nothing comes after e but r, and nothing after r); psc as a whole."""
    cdef hb_clocks h
    cdef bint computed = False
    cdef int32_t fences, accesses = 0
    if not coherent(g, e) or (r != NONE and not coherent(g, r)):
        return 0  # by program order alone: most that are asked about
    if overtaken(g, NULL, e) or (r != NONE and overtaken(g, NULL, r)):
        hb_compute(&h, g)
        computed = True
        if overtaken(g, &h, e) or (r != NONE and overtaken(g, &h, r)):
            return 0
    fences = count_sc(g, &accesses)
    if fences + accesses < 2 or not closes_cycle(g, e, r):
        return 1
    if not computed:
        hb_compute(&h, g)
    return all_consistent(g, &h) if accesses else fences_consistent(g, &h)


# Not MONOTONE: reading an older write gives less happens-before.
cdef mk_model table
table.abi = MK_ABI
table.size = sizeof(mk_model)
table.consistent = consistent


class RC11(MemoryModel):
    """RC11: C11's memory model, repaired; kernel barriers are its fences.

    Source: Lahav et al., PLDI 2017; herd7's rc11.cat. What each kernel operation is here: docs/protocol.md.
    """

    name = "rc11"

    def native(self):
        """The mk_model capsule; its struct is the module's own."""
        return model_capsule(&table)
