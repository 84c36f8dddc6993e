"""x86-TSO: a FIFO store buffer for each CPU, drained by mfence and by locked instructions.

Sources: Sewell, Sarkar, Owens, Zappa Nardelli and Myreen, x86-TSO, CACM 53(7), 2010; as axioms, herd7's x86tso.cat (Alglave, Maranget and
Tautschnig, TOPLAS 36(2), 2014):
  acyclic(po-loc U rf U co U fr)                                   (uniproc)
  acyclic(ppo U mfence U implied U rfe U co U fr)                  (global happens-before)
with ppo = po without write -> read, and implied = write -> read with a locked instruction at either end.

The operations (docs/protocol.md): any RMW is a locked instruction, one that fails a locked read (but for a trylock, which looks before it
tries); smp_mb, smp_mb__before_atomic, smp_mb__after_atomic, the locks' own barriers and a seq_cst fence are mfence; a seq_cst store is an
xchg, as compilers make it; other fences and orders are nothing.
Starting a thread and joining one order everything before and after.

An RMW is one event here and two in the .cat file. That is exact. Let R and W be its halves, X -> W an edge and R -> Y another: the one
event makes a path from X to Y. X comes by co or fr: W is right after its source, so Y, which overwrites the source, is W or after it in
coherence (X -> Y as well), or Y is after R in program order, and then after W. X comes by program order: then also X -> R.
"""
from libc.stdint cimport int32_t
from libc.stdlib cimport free, malloc
from libc.string cimport memset
from minikvm.check.explorer cimport OP_TRYLOCK
from minikvm.check.fences cimport FENCE_AFTER_SPINLOCK, FENCE_AFTER_UNLOCK_LOCK, FENCE_SEQ_CST
from minikvm.check.graph cimport (
    EF_CREATE, EF_RMW, EV_FENCE, EV_READ, EV_SYNC, EV_WRITE, NONE, co_next, event, location, mk_graph, po_thread, rank_of)
from minikvm.check.model cimport MODEL_MONOTONE, MODEL_RF_ORDERS, mk_model, model_capsule
from minikvm.check.models._hb cimport rmw_succeeds
from minikvm.check.models._places cimport coherent
from minikvm.core.world cimport MK_ABI, MK_FULL, MK_MB_AFTER_ATOMIC, MK_MB_BEFORE_ATOMIC, MK_SEQ_CST, MK_SMP_MB

from minikvm.kinds import MemoryModel


# What is known to be before the addition. Of each thread: all events of index < all, the reads of index < reads, and how far both were
# followed. Of each location: the writes of rank < top (top itself too) and who has read one of rank < top; done: up to where that was
# followed.
cdef struct frontier:
    int32_t all
    int32_t reads
    int32_t all_done
    int32_t reads_done

cdef struct coherence:
    int32_t top
    int32_t done


cdef inline bint drains(const event *e) noexcept nogil:
    """Does it order all that is before it in program order, and all that is after it?"""
    if e.kind & EV_FENCE:
        return (e.op == MK_SMP_MB or e.op == MK_MB_BEFORE_ATOMIC or e.op == MK_MB_AFTER_ATOMIC or e.op == FENCE_SEQ_CST
                or e.op == FENCE_AFTER_SPINLOCK or e.op == FENCE_AFTER_UNLOCK_LOCK)
    if e.flags & EF_RMW:
        return e.op != OP_TRYLOCK or rmw_succeeds(e)
    return e.kind & EV_SYNC or (e.kind == EV_WRITE and (e.order == MK_SEQ_CST or e.order == MK_FULL))


cdef inline void before(frontier *f, const event *e) noexcept nogil:
    """*e* is before the addition, and so is what the model orders before *e* in its thread."""
    f += e.thread
    if e.kind == EV_READ and not drains(e):
        f.reads = max(f.reads, e.index + 1)
    else:
        f.all = max(f.all, e.index + 1)


cdef inline void completed(const mk_graph *g, frontier *f, int32_t id) noexcept nogil:
    """A thread's creator, or the last event of one that was joined: all up to it is before."""
    if id >= 0:
        f += g.ev[id].thread
        f.all = max(f.all, g.ev[id].index + 1)


cdef inline void followed(const mk_graph *g, frontier *f, coherence *c, const event *e) noexcept nogil:
    """What comes before *e* from another thread: its source, and by coherence what comes before a write."""
    if e.kind & EV_WRITE:
        c[e.loc].top = max(c[e.loc].top, e.rank)
    elif e.kind & EV_READ and e.rf >= 0 and g.ev[e.rf].thread != e.thread:
        before(f, &g.ev[e.rf])
    elif e.kind & EV_SYNC and not e.flags & EF_CREATE:
        completed(g, f, e.rf)


cdef bint follow_thread(const mk_graph *g, frontier *frontiers, coherence *c, int32_t t) noexcept nogil:
    cdef frontier *f = &frontiers[t]
    cdef const po_thread *th = &g.th[t]
    cdef const event *e
    cdef int32_t i, first = max(f.all, f.reads_done)
    if f.all <= f.all_done and f.reads <= first:
        return False
    completed(g, frontiers, th.creator)
    i = f.reads - 1
    while i >= first:
        e = &g.ev[th.ev[i]]
        if drains(e):
            f.all = i + 1
            break
        if e.kind & EV_READ:
            followed(g, frontiers, c, e)
        i -= 1
    f.reads_done = max(f.reads, f.all)
    for i in range(f.all_done, f.all):
        followed(g, frontiers, c, &g.ev[th.ev[i]])
    f.all_done = max(f.all_done, f.all)
    return True


cdef bint follow_location(const mk_graph *g, frontier *f, coherence *c, int32_t l) noexcept nogil:
    cdef const location *at = &g.loc[l]
    cdef const event *x
    cdef int32_t i
    if c[l].top <= c[l].done:
        return False
    for i in range(c[l].done + 1, c[l].top):
        before(f, &g.ev[at.co[i]])
    for i in range(at.nreads):
        x = &g.ev[at.reads[i]]
        if rank_of(g, x.rf) < c[l].top:
            before(f, x)
    c[l].done = c[l].top
    return True


cdef bint reached(const mk_graph *g, frontier *f, coherence *c, int32_t s) noexcept nogil:
    """Is the write *s* before what the frontiers hold?"""
    cdef const event *goal = &g.ev[s]
    cdef bint grown = True
    cdef int32_t i
    while grown:
        grown = False
        for i in range(g.stride):
            grown |= follow_thread(g, f, c, i)
        if c[goal.loc].top >= goal.rank:
            return True
        for i in range(g.ntouched):
            grown |= follow_location(g, f, c, g.touched[i])
    return False


cdef inline void predecessors(const mk_graph *g, frontier *f, int32_t id) noexcept nogil:
    """What is right before the last event of a thread, in its thread."""
    cdef const event *e = &g.ev[id]
    completed(g, f, g.th[e.thread].creator)
    if e.kind == EV_READ and not drains(e):
        f[e.thread].reads = max(f[e.thread].reads, <int32_t>e.index)
    else:
        f[e.thread].all = max(f[e.thread].all, <int32_t>e.index)


cdef int consistent(const mk_model *m, const mk_graph *g, int32_t e, int32_t r) except -1 nogil:
    # As in sc.pyx: a new cycle leaves e (and r) for s, the next write, and comes back by ppo or rfe.
    cdef int32_t s, i
    cdef frontier few_threads[24]
    cdef coherence few_locations[48]
    cdef frontier *f = few_threads
    cdef coherence *c = few_locations
    cdef void *heap = NULL
    cdef bint closed
    if not coherent(g, e) or (r != NONE and not coherent(g, r)):
        return 0
    s = co_next(g, g.ev[e].loc, e if g.ev[e].kind & EV_WRITE else g.ev[e].rf)
    if s == NONE:
        return 1
    if g.stride > 24 or g.nlocs > 48:
        heap = malloc(g.stride * sizeof(frontier) + g.nlocs * sizeof(coherence))
        if heap == NULL:
            with gil:
                raise MemoryError("no memory for the frontiers of a consistency check")
        f = <frontier *>heap
        c = <coherence *>(f + g.stride)
    memset(f, 0, g.stride * sizeof(frontier))
    for i in range(g.ntouched):
        c[g.touched[i]].top = c[g.touched[i]].done = -1
    predecessors(g, f, e)
    if g.ev[e].kind & EV_READ and g.ev[e].rf >= 0 and g.ev[g.ev[e].rf].thread != g.ev[e].thread:
        before(f, &g.ev[g.ev[e].rf])
    if r != NONE:
        predecessors(g, f, r)
    closed = reached(g, f, c, s)
    free(heap)
    return not closed


# MONOTONE: a cycle that the choice of w closes goes from s, the next write after w, to what is before the read in its own thread (through w
# it would be an old one). An older choice goes to s by coherence and closes the same. For uniproc an older choice is further down the line.
cdef mk_model table
table.abi = MK_ABI
table.size = sizeof(mk_model)
table.flags = MODEL_MONOTONE | MODEL_RF_ORDERS
table.consistent = consistent


class TSO(MemoryModel):
    """x86-TSO: store buffers, drained by mfence and locked instructions.

    Source: Sewell et al., CACM 53(7), 2010; herd7's x86tso.cat. What each kernel operation is here: docs/protocol.md.
    """

    name = "tso"

    def native(self):
        """The mk_model capsule; its struct is the module's own."""
        return model_capsule(&table)
