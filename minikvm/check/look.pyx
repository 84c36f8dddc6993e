"""A read that nobody made: what the memory model would let it find.

"Has the call seen that the vCPU left the guest?" is no question of happens-before, which each model has another of, and the kernel's
none. It is this: could the caller, looking at vcpu.mode as its call returns, still find it as it was before? The model itself answers: the
read is added, of an older value, to what had happened so far, and the model is asked whether that is consistent.

- Under sc it is so unless every interleaving of this execution has the store before the call's return.
- Under tso a store that still sits in a store buffer is not found, one that was seen by anybody is.
- Under rc11 it is coherence: not where the store, or any read of it, happens before the look; nor against an order of SC fences.
- Under lkmm it is linux-kernel.cat's visibility: a look x that reads an older value overwrites-in-reverse (fr) each newer store w, and is
  forbidden exactly if some such w has vis(w, x) = cumul-fence*; rfe?; (strong-fence; xbstar U xbstar & int). So a smp_wmb() passes on what
  its own CPU has stored and not what that CPU has read, which C11's release fence does; and a smp_store_release() passes on both, though
  the store that was read was no release itself, which C11's happens-before does not.
"""
from libc.stdint cimport int32_t, uint8_t
from libc.stdlib cimport calloc, free
from libc.string cimport memset
from minikvm.check.graph cimport (
    EV_READ, INIT, KEEP_EVENT, KEEP_WRITE, NONE, event, graph_append, graph_copy, graph_free, graph_new, graph_set_rf, mk_graph)
from minikvm.check.model cimport CONSISTENT, HOPELESS, mk_model
from minikvm.core.world cimport MK_RELAXED


cdef int no_memory() except -1 nogil:
    with gil:
        raise MemoryError("an execution graph does not fit into memory")


cdef int cut(mk_graph *past, const mk_graph *g, int32_t t, int32_t after) except -1 nogil:
    """What does not come after so many events of thread t, in program order and reads-from: a prefix of g, and so as consistent as that."""
    cdef uint8_t *keep = <uint8_t *>calloc(g.n + 1, 1)
    cdef int32_t i
    if keep == NULL:
        no_memory()
    for i in range(g.n):
        if g.porf[<size_t>i * g.stride + t] <= after:
            keep[i] = KEEP_EVENT | KEEP_WRITE
    try:
        graph_copy(past, g, keep)
    finally:
        free(keep)
    return 0


cdef bint finds_older(const mk_model *m, mk_graph *past, int32_t t, int32_t loc, int32_t older) except -1 nogil:
    """Is the look consistent with one of the *older* first values of the location (and the initial one)? The newest is tried first."""
    cdef event e
    cdef int32_t rank, look
    cdef int answer
    memset(&e, 0, sizeof(e))
    e.kind = EV_READ
    e.order = MK_RELAXED
    e.thread = t
    e.loc = loc
    e.rf = INIT
    look = graph_append(past, &e)
    for rank in range(older - 1, -2, -1):
        graph_set_rf(past, look, INIT if rank < 0 else past.loc[loc].co[rank])
        answer = m.consistent(m, past, look, NONE)
        if answer == CONSISTENT:
            return True
        if answer == HOPELESS:
            return False
    return False


cdef bint may_find_older(const mk_model *m, const mk_graph *g, int32_t t, int32_t after, int32_t write) except -1 nogil:
    cdef mk_graph *past
    cdef int32_t loc = g.ev[write].loc, older = 0, i
    if g.porf[<size_t>write * g.stride + t] > after:
        return True  # it was stored only after that
    for i in range(g.ev[write].rank):
        older += g.porf[<size_t>g.loc[loc].co[i] * g.stride + t] <= after
    past = graph_new(g.stride, g.nlocs, NULL)
    try:
        cut(past, g, t, after)
        return finds_older(m, past, t, loc, older)
    finally:
        graph_free(past)
