"""The choices of an exploration: a stack of frames, each with the answer that is in force, and how the next answer is put in force.

Reads try every write, writes every place in coherence, and then they revisit earlier reads (backward revisits of TruSt): explorer.pyx.
"""
from libc.stdint cimport int32_t, uint8_t, uint64_t
from libc.stdlib cimport realloc
from minikvm.check.effects cimport await_satisfied, rmw_result
from minikvm.check.explorer cimport FR_CHOOSE, FR_READ, FR_REVISIT, frame, mk_explorer
from minikvm.check.graph cimport (
    EF_AWAIT, EF_BLOCKED, EF_PENDING, EF_RMW, EV_CHOOSE, EV_READ, EV_WRITE, INIT, KEEP_EVENT, KEEP_WRITE, NONE, TH_BLOCKED, TH_RUNNABLE,
    event, graph_copy, graph_drop_notes, graph_new, graph_place, graph_set_rf, graph_truncate, graph_unplace, in_prefix, location,
    mk_graph, rank_of)
from minikvm.check.model cimport CONSISTENT, HOPELESS, MODEL_MONOTONE
from minikvm.check.symmetry cimport counterpart, in_order, last_before, was_there


cdef int no_memory() except -1 nogil:
    with gil:
        raise MemoryError("the exploration does not fit into memory")


cdef void settle(mk_graph *g, int32_t id) noexcept nogil:
    """After a read got its value: does an RMW take place, must an await wait?"""
    cdef event *e = &g.ev[id]
    cdef bint go = True
    e.flags &= ~(EF_BLOCKED | EF_PENDING)
    if e.flags & EF_RMW:
        rmw_result(e.op, e.rval, e.operand, e.expected, &go)
        if go:
            e.flags |= EF_PENDING
        elif e.flags & EF_AWAIT:
            e.flags |= EF_BLOCKED
    elif e.flags & EF_AWAIT and not await_satisfied(e.op, e.rval, e.operand):
        e.flags |= EF_BLOCKED
    g.th[e.thread].status = TH_BLOCKED if e.flags & EF_BLOCKED else TH_RUNNABLE


# ---- the graphs ----

cdef mk_graph *take_graph(mk_explorer *x) except NULL nogil:
    if x.npool:
        x.npool -= 1
        return x.pool[x.npool]
    return graph_new(x.nthreads, x.g.nlocs, NULL)


cdef int give_graph(mk_explorer *x, mk_graph *g) except -1 nogil:
    cdef void *bigger
    if x.npool >= x.pool_capacity:
        bigger = realloc(x.pool, (2 * x.pool_capacity + 8) * sizeof(mk_graph *))
        if bigger == NULL:
            no_memory()
        x.pool = <mk_graph **>bigger
        x.pool_capacity = 2 * x.pool_capacity + 8
    x.pool[x.npool] = g
    x.npool += 1
    return 0


# ---- the stack ----

cdef int push(mk_explorer *x, int kind, int32_t id, int32_t pos, int32_t r) except -1 nogil:
    """A choice whose answer *pos* is in force; x.diverted asks for another one, which next_answer() will give."""
    cdef frame *f
    cdef void *bigger
    if x.depth >= x.capacity:
        bigger = realloc(x.stack, (2 * x.capacity + 32) * sizeof(frame))
        if bigger == NULL:
            no_memory()
        x.stack = <frame *>bigger
        x.capacity = 2 * x.capacity + 32
    f = &x.stack[x.depth]
    f.g = x.g
    f.kind = kind
    f.id = id
    f.r = r
    f.top = x.g.norder
    f.pos = pos
    f.phase = 0
    f.owns = kind == FR_REVISIT
    x.depth += 1
    if x.steer != NULL and x.steer(x):
        x.diverted = True
    return 0


cdef int pop(mk_explorer *x) except -1 nogil:
    x.depth -= 1
    if x.stack[x.depth].owns:
        give_graph(x, x.stack[x.depth].g)
    return 0


cdef inline int consistent(mk_explorer *x, mk_graph *g, int32_t e, int32_t r) except -1 nogil:
    cdef int answer = x.model.consistent(x.model, g, e, r)
    return HOPELESS if answer == 0 and x.model.flags & MODEL_MONOTONE else answer


cdef inline bint ordered(mk_explorer *x, mk_graph *g, int32_t id) noexcept nogil:
    return x.group == NULL or in_order(g, x.group, id)


cdef inline bint is_rmw_write(const mk_graph *g, int32_t id) noexcept nogil:
    return g.ev[id].flags & EF_RMW and g.ev[id].kind & EV_WRITE


cdef void rerun(mk_graph *g, int32_t id) noexcept nogil:
    """The event has another value: what its thread noted after it is no longer true."""
    graph_drop_notes(g, g.ev[id].thread, g.ev[id].index)


cdef bint may_be_revisited(mk_explorer *x, const mk_graph *g, int32_t id) noexcept nogil:
    cdef int32_t u = counterpart(g, x.group, id, id)
    return u != NONE and last_before(g, id, u, id)


cdef int next_read(mk_explorer *x, frame *f) except -1 nogil:
    cdef mk_graph *g = f.g
    cdef event *e = &g.ev[f.id]
    cdef location *l = &g.loc[e.loc]
    cdef int ok = 0
    while f.pos >= 0:
        f.pos -= 1
        graph_set_rf(g, f.id, l.co[f.pos] if f.pos >= 0 else INIT)
        settle(g, f.id)
        if not ordered(x, g, f.id):
            continue
        if e.flags & EF_BLOCKED:
            # It waits, and has not even seen the newest value: no maximal graph. (Unless it can still be revisited.)
            if f.pos != l.nco - 1 and (x.group == NULL or not may_be_revisited(x, g, f.id)):
                continue
        elif f.pos == l.nco - 1:
            ok = 1
        if f.pos != l.nco - 1:
            ok = consistent(x, g, f.id, NONE)
            if ok != CONSISTENT:
                if ok == HOPELESS:
                    f.pos = -1
                continue
        rerun(g, f.id)
        return 1
    return 0


cdef int faults_in(const mk_graph *g) noexcept nogil:
    cdef int32_t i
    cdef int n = 0
    for i in range(g.n):
        if g.ev[i].kind == EV_CHOOSE and g.ev[i].expected and g.ev[i].rval != 0:
            n += 1
    return n


cdef int next_choose(mk_explorer *x, frame *f) except -1 nogil:
    cdef event *e = &f.g.ev[f.id]
    while True:
        f.pos += 1
        if <uint64_t>f.pos >= e.operand:
            return 0
        e.rval = f.pos
        if e.expected and f.pos and x.fault_budget >= 0 and faults_in(f.g) > x.fault_budget:
            return 0
        if ordered(x, f.g, f.id):
            break
    rerun(f.g, f.id)
    f.g.th[e.thread].status = TH_RUNNABLE
    return 1


cdef int place_rmw(mk_explorer *x, mk_graph *g, int32_t id, int32_t r) except -1 nogil:
    """Put an RMW's write right after its source. 1, or 0 where another RMW stands there or the model forbids it."""
    cdef event *e = &g.ev[id]
    cdef location *l = &g.loc[e.loc]
    cdef int32_t rank = rank_of(g, e.rf) + 1
    cdef bint last = rank == l.nco
    cdef int ok = 1
    if not last and is_rmw_write(g, l.co[rank]):
        return 0
    if r != NONE and not last and g.ev[r].flags & EF_BLOCKED:
        return 0
    graph_place(g, id, rank)
    if r != NONE:
        ok = ordered(x, g, r)
    if ok and not last:
        ok = consistent(x, g, id, r) == CONSISTENT
    if not ok:
        graph_unplace(g, id)
    return ok


cdef int next_place(mk_explorer *x, frame *f, int32_t r) except -1 nogil:
    """The next older place of a write in coherence."""
    cdef mk_graph *g = f.g
    cdef event *e = &g.ev[f.id]
    cdef location *l = &g.loc[e.loc]
    cdef int answer
    if e.rank >= 0:
        graph_unplace(g, f.id)
    if e.flags & EF_RMW:
        if f.pos == rank_of(g, e.rf) + 1:
            return 0  # its only place
        f.pos = rank_of(g, e.rf) + 1
        return place_rmw(x, g, f.id, r)
    while f.pos > 0:
        f.pos -= 1
        if f.pos == l.nco:
            graph_place(g, f.id, f.pos)
            if ordered(x, g, f.id) and (r == NONE or ordered(x, g, r)):
                return 1
            graph_unplace(g, f.id)
            continue
        if r != NONE and g.ev[r].flags & EF_BLOCKED:
            return 0  # it would wait without having seen the newest value
        if is_rmw_write(g, l.co[f.pos]):
            continue  # nothing comes between an RMW and its source
        graph_place(g, f.id, f.pos)
        if not ordered(x, g, f.id) or (r != NONE and not ordered(x, g, r)):
            graph_unplace(g, f.id)
            continue
        answer = consistent(x, g, f.id, r)
        if answer == CONSISTENT:
            return 1
        graph_unplace(g, f.id)
        if answer == HOPELESS:
            f.pos = 0
    return 0


# ---- backward revisits ----

cdef bint read_was_maximal(const mk_explorer *x, const mk_graph *g, int32_t id, int32_t w) noexcept nogil:
    cdef const event *e = &g.ev[id]
    cdef const location *l = &g.loc[e.loc]
    cdef int32_t i, u
    if e.rf >= 0 and not was_there(g, e.rf, g.ev[e.rf].wstamp, e.stamp, w):
        return False
    if x.group != NULL:
        u = counterpart(g, x.group, id, w)
        if u != NONE:
            return last_before(g, id, u, w)
    for i in range(rank_of(g, e.rf) + 1, l.nco):
        if was_there(g, l.co[i], g.ev[l.co[i]].wstamp, e.stamp, w):
            return False
    return True


cdef bint write_was_maximal(const mk_explorer *x, const mk_graph *g, int32_t id, int32_t w) noexcept nogil:
    cdef const event *e = &g.ev[id]
    cdef const location *l = &g.loc[e.loc]
    cdef int32_t i
    cdef int32_t u = NONE if x.group == NULL else counterpart(g, x.group, id, w)
    if u != NONE and not e.flags & EF_RMW and not last_before(g, id, u, w):
        return False
    for i in range(e.rank + 1, l.nco if u == NONE else 0):
        if was_there(g, l.co[i], g.ev[l.co[i]].wstamp, e.wstamp, w):
            return False
    for i in range(l.nreads):  # a read that it has revisited
        if g.ev[l.reads[i]].rf == id and was_there(g, l.reads[i], g.ev[l.reads[i]].stamp, e.wstamp, w):
            return False
    return True


cdef int select_kept(mk_explorer *x, const mk_graph *g, int32_t r, int32_t w) except -1 nogil:
    """Mark in x.keep what a revisit of r by w leaves. 0: something that it would delete was not added maximally."""
    cdef int32_t i, u
    cdef int32_t stamp = g.ev[r].stamp
    cdef const event *e
    cdef void *bigger
    if g.n > x.keep_capacity:
        bigger = realloc(x.keep, 2 * g.n)
        if bigger == NULL:
            no_memory()
        x.keep = <uint8_t *>bigger
        x.keep_capacity = 2 * g.n
    if not read_was_maximal(x, g, r, w):
        return 0
    for i in range(g.n):
        e = &g.ev[i]
        if i == w or (e.wstamp <= stamp) or in_prefix(g, i, w):
            x.keep[i] = KEEP_EVENT | KEEP_WRITE
            continue
        x.keep[i] = KEEP_EVENT if e.stamp <= stamp else 0
        if e.kind & EV_WRITE and not write_was_maximal(x, g, i, w):
            return 0
        if i == r or x.keep[i]:
            continue
        if e.kind & EV_READ:
            if not read_was_maximal(x, g, i, w):
                return 0
        elif e.kind == EV_CHOOSE:
            u = NONE if x.group == NULL else counterpart(g, x.group, i, w)
            if e.rval != (0 if u == NONE else g.ev[u].rval):
                return 0
    return 1


cdef int revisit(mk_explorer *x, mk_graph *g, int32_t r, int32_t w) except -1 nogil:
    """Push the frame of the graph in which r reads from w, without what depends on r's old value. 0: not to be explored from here."""
    cdef mk_graph *to
    cdef int32_t i, new_w = 0
    if not select_kept(x, g, r, w):
        return 0
    to = take_graph(x)
    graph_copy(to, g, x.keep)
    for i in range(w):  # not always the last: an RMW's write may be added, after a revisit, behind events younger than its read
        new_w += x.keep[i] != 0
    graph_set_rf(to, r, new_w)  # everything up to r is kept: it has the same id
    settle(to, r)
    rerun(to, r)
    x.g = to
    push(x, FR_REVISIT, new_w, to.loc[to.ev[new_w].loc].nco + 1, r)
    if next_answer(x):
        return 1
    pop(x)
    return 0


cdef int next_revisit(mk_explorer *x, int32_t at) except -1 nogil:
    """Frame *at*'s write revisits the next older read. The stack may move."""
    cdef frame *f
    cdef mk_graph *g = x.stack[at].g
    cdef int32_t w = x.stack[at].id
    cdef location *l = &g.loc[g.ev[w].loc]
    cdef int32_t r
    if g.ev[w].rank >= 0:
        graph_unplace(g, w)
    while x.stack[at].pos > 0:
        f = &x.stack[at]
        f.pos -= 1
        r = l.reads[f.pos]
        if r != w and not in_prefix(g, r, w) and revisit(x, g, r, w):
            return 1
        if at < x.base:
            return 0  # this answer was to be given, and no other
    return 0


cdef int next_answer(mk_explorer *x) except -1 nogil:
    """Put the top frame's next answer in force (or that of a frame above it). 0: it has no more."""
    cdef frame *f = &x.stack[x.depth - 1]
    cdef int32_t at = x.depth - 1
    graph_truncate(f.g, f.top)
    x.g = f.g
    x.diverted = False
    if f.kind == FR_READ:
        return next_read(x, f)
    if f.kind == FR_CHOOSE:
        return next_choose(x, f)
    if f.kind == FR_REVISIT:
        return next_place(x, f, f.r)
    if f.phase == 0:
        if next_place(x, f, NONE):
            return 1
        f.phase = 1
        f.pos = f.g.loc[f.g.ev[f.id].loc].nreads
    return next_revisit(x, at)


cdef int backtrack(mk_explorer *x) except -1 nogil:
    """To the next graph. 0: there is none."""
    while x.depth > x.base:
        if next_answer(x):
            return 1
        pop(x)
    return 0
