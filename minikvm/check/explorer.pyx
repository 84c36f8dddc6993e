"""TruSt (Kokologiannakis, Marmanis, Gladstein, Vafeiadis: "Truly stateless, optimal dynamic partial order reduction", POPL 2022).

Where this differs from the paper: the recursion is a stack of frames, so that it can be interrupted, written down and split; additions that
are maximal are not checked for consistency (they keep every model's axioms); awaits that read an unsatisfying value that is not the last
in coherence are not explored (such a graph is not maximal). Unsound for models that allow cycles in po and rf (load buffering).
"""
from libc.stdint cimport int32_t, int64_t, uint64_t
from libc.stdlib cimport calloc, free, realloc
from minikvm.check.answers cimport backtrack, no_memory, place_rmw, push, settle
from minikvm.check.effects cimport rmw_result
from minikvm.check.graph cimport (
    EF_BLOCKED, EF_CREATE, EF_PENDING, EF_RMW, EV_CHOOSE, EV_READ, EV_SYNC, EV_WRITE, INIT, NONE, TH_BLOCKED, TH_ENDED, TH_JOINING,
    TH_RUNNABLE, co_last, event, graph_append, graph_free, graph_new, graph_note, graph_place, graph_unplace, graph_write_half, location,
    mk_graph, note, po_thread, rank_of)
from minikvm.check.model cimport mk_model
from minikvm.check.symmetry cimport in_order


class ReplayError(RuntimeError):
    """A thread did something else when it was run again with the same values: it depends on more than what it reads."""


# ---- additions ----

cdef int write_half(mk_explorer *x, int32_t id) except -1 nogil:
    """Give a new write its first place. XR_OK, or XR_ABANDON: its frame may have others, and revisits."""
    cdef mk_graph *g = x.g
    cdef event *e = &g.ev[id]
    cdef location *l = &g.loc[e.loc]
    cdef bint rmw = e.flags & EF_RMW
    cdef bint go
    cdef bint guided = False
    cdef int32_t rank = l.nco
    if rmw:
        graph_write_half(g, id, rmw_result(e.op, e.rval, e.operand, e.expected, &go))
        rank = rank_of(g, e.rf) + 1
    if l.nco > 0 or l.nreads > rmw:
        guided = x.steer != NULL
        push(x, FR_WRITE, id, rank, NONE)
        if x.diverted:
            return XR_ABANDON
    if not rmw:
        graph_place(g, id, rank)
        if x.group != NULL and not guided and not in_order(g, x.group, id):
            graph_unplace(g, id)
            return XR_ABANDON  # another place may do
    elif not place_rmw(x, g, id, NONE):
        return XR_ABANDON
    return XR_OK


cdef int add_read(mk_explorer *x, event *e, uint64_t *value) except -1 nogil:
    cdef mk_graph *g = x.g
    cdef int32_t id
    cdef bint guided
    e.rf = co_last(g, e.loc)
    e.rval = g.loc[e.loc].init if e.rf == INIT else g.ev[e.rf].wval
    id = graph_append(g, e)
    settle(g, id)
    value[0] = e.rval
    if g.loc[e.loc].nco > 0:
        guided = x.steer != NULL
        push(x, FR_READ, id, g.loc[e.loc].nco - 1, NONE)
        if x.diverted:
            return XR_ABANDON
        if x.group != NULL and not guided and not in_order(g, x.group, id):
            return XR_ABANDON  # another source may do
    if g.ev[id].flags & EF_BLOCKED:
        return XR_BLOCKED
    if g.ev[id].flags & EF_PENDING:
        return write_half(x, id)
    return XR_OK


cdef int add_event(mk_explorer *x, int32_t t, const event *proto, uint64_t *value) except -1 nogil:
    cdef mk_graph *g = x.g
    cdef event e = proto[0]
    cdef int32_t id
    cdef bint guided
    e.thread = t
    if e.kind == EV_READ:
        return add_read(x, &e, value)
    if e.kind != EV_SYNC or e.flags & EF_CREATE:
        e.rf = NONE
    e.rval = 0
    id = graph_append(g, &e)
    if e.kind == EV_WRITE:
        return write_half(x, id)
    if e.kind == EV_CHOOSE and e.operand > 1:
        guided = x.steer != NULL
        push(x, FR_CHOOSE, id, 0, NONE)
        if x.diverted:
            return XR_ABANDON
        if x.group != NULL and not guided and not in_order(g, x.group, id):
            return XR_ABANDON  # another answer may do
    value[0] = 0
    return XR_OK


# ---- for programs ----

cdef bint live_valid(mk_explorer *x, int32_t t) noexcept nogil:
    """Has the thread executed nothing but what the graph holds, with the same values? If not its live state is reset."""
    cdef live_thread *s = &x.live[t]
    cdef const po_thread *th = &x.g.th[t]
    cdef int32_t i
    cdef bint ok = s.pos <= th.n and s.nnotes <= th.nnotes
    if ok and s.pos and x.g.ev[th.ev[s.pos - 1]].flags & (EF_PENDING | EF_BLOCKED):
        ok = False
    for i in range(s.pos if ok else 0):
        if x.g.ev[th.ev[i]].rval != s.seen[i]:
            ok = False
            break
    if not ok:
        s.pos = 0
        s.nnotes = 0
    return ok


cdef str described(const event *e):
    name = e.name.decode() if e.name != NULL else "an operation"
    return f"{name} (kind {e.kind}, location {e.loc}, operand {e.wval if e.kind == EV_WRITE else e.operand})"


cdef int went_astray(int32_t t, int32_t index, const event *had, const event *has) except -1 nogil:
    with gil:
        raise ReplayError(f"thread {t} did something else at its event {index} when it was run again with the same values: first "
                          f"{described(had)}, now {described(has)}. It depends on more than what it reads: a clock, a global, a set?")


cdef int noted_astray(int32_t t, int32_t index) except -1 nogil:
    with gil:
        raise ReplayError(f"thread {t} went another way after its event {index} when it was run again with the same values")


cdef int x_step(mk_explorer *x, int32_t t, const event *proto, uint64_t *value) except -1 nogil:
    """The thread's next event: replayed while the graph has one, else added. XR_OK with the value read, or why the thread must stop."""
    cdef live_thread *s = &x.live[t]
    cdef po_thread *th = &x.g.th[t]
    cdef event *e
    cdef void *bigger
    cdef int result = XR_OK
    cdef uint64_t got = 0
    if s.pos < th.n:
        e = &x.g.ev[th.ev[s.pos]]
        if ((e.kind | (EV_WRITE if e.flags & EF_RMW else 0)) != (proto.kind | (EV_WRITE if proto.flags & EF_RMW else 0))
                or e.loc != proto.loc or e.order != proto.order or e.op != proto.op or e.operand != proto.operand
                or e.expected != proto.expected or (e.kind == EV_WRITE and e.wval != proto.wval)):
            went_astray(t, s.pos, e, proto)
        got = e.rval
        if e.flags & EF_BLOCKED:
            result = XR_BLOCKED
        elif e.flags & EF_PENDING:
            result = write_half(x, th.ev[s.pos])
    else:
        result = add_event(x, t, proto, &got)
    if s.pos >= s.capacity:
        bigger = realloc(s.seen, (2 * s.capacity + 16) * sizeof(uint64_t))
        if bigger == NULL:
            no_memory()
        s.seen = <uint64_t *>bigger
        s.capacity = 2 * s.capacity + 16
    s.seen[s.pos] = got
    s.pos += 1
    value[0] = got
    return result


cdef int x_note(mk_explorer *x, int32_t t, int32_t kind, uint64_t subject, uint64_t a, uint64_t b) except -1 nogil:
    """Ghost state: note something at this place of the thread. No model sees it."""
    cdef live_thread *s = &x.live[t]
    cdef po_thread *th = &x.g.th[t]
    cdef note n
    if s.nnotes < th.nnotes:
        if th.notes[s.nnotes].kind != kind or th.notes[s.nnotes].subject != subject or th.notes[s.nnotes].a != a:
            noted_astray(t, s.pos)
        s.nnotes += 1
        return 0
    n.pos = s.pos
    n.kind = kind
    n.subject = subject
    n.a = a
    n.b = b
    graph_note(x.g, t, &n)
    s.nnotes += 1
    return 0


# ---- the exploration ----

cdef int too_short(mk_explorer *x) except -1 nogil:
    with gil:
        raise ReplayError(f"a path of {x.nguide} choices was to be followed: after {x.depth} of them the execution is complete")


cdef int32_t instead_of(const mk_graph *g, int32_t t, int32_t nthreads) noexcept nogil:
    """Who runs when it is the turn of a thread that waits for another's end: that one, until it is known to have ended. -1: nobody can.

    A thread that only has to find out that it has ended must not give its turn to a third one: the order would not be the graph's alone.
    """
    cdef int32_t u
    for _ in range(nthreads):
        u = g.th[t].joins
        if g.th[u].status == TH_ENDED:
            return t
        if g.th[u].status == TH_RUNNABLE:
            return u if g.th[u].created else -1
        if g.th[u].status == TH_BLOCKED:
            return -1
        t = u
    return -1


cdef int32_t next_thread(mk_explorer *x) noexcept nogil:
    """The fixed scheduler, a function of the graph: an RMW's write first, else the lowest thread that can go on. -1: none can."""
    cdef mk_graph *g = x.g
    cdef po_thread *th
    cdef int32_t t, found = -1
    for t in range(x.nthreads):
        th = &g.th[t]
        if th.n and g.ev[th.ev[th.n - 1]].flags & EF_PENDING:
            return t
        if found >= 0 or not th.created:
            continue
        if th.status == TH_RUNNABLE:
            found = t
        elif th.status == TH_JOINING:
            found = instead_of(g, t, x.nthreads)
    return found


cdef int finish(mk_explorer *x) except -1 nogil:
    """Nobody can go on: a complete graph, or one in which somebody waits for ever, or one that is not maximal."""
    cdef mk_graph *g = x.g
    cdef const po_thread *th
    cdef const event *e
    cdef int32_t t
    cdef bint blocked = False
    for t in range(x.nthreads):
        th = &g.th[t]
        if th.status == TH_ENDED or not th.created:
            continue
        blocked = True
        if th.status == TH_BLOCKED:
            e = &g.ev[th.ev[th.n - 1]]
            if e.rf != co_last(g, e.loc):
                x.discarded += 1
                return 0
    if blocked:
        x.blocked += 1
    else:
        x.executions += 1
    if x.program.complete != NULL:
        x.program.complete(x.program, x, blocked)
    return 0


cdef int descend(mk_explorer *x) except -1 nogil:
    cdef int32_t t
    cdef int result
    while True:
        t = next_thread(x)
        if t < 0:
            if x.steer != NULL and x.strict and x.depth < x.nguide:
                too_short(x)
            finish(x)
            return 1
        result = x.program.run(x.program, x, t)
        if result == XR_ENDED:
            x.g.th[t].status = TH_ENDED
        elif result == XR_BLOCKED:
            if x.g.th[t].status == TH_RUNNABLE:
                x.g.th[t].status = TH_BLOCKED
        elif not x.diverted:
            return 1
        elif not x.divert(x):
            return 0


cdef int explore_some(mk_explorer *x, int64_t n) except -1 nogil:
    while True:
        if not descend(x):
            return 0
        n -= 1
        if not backtrack(x):
            return 0
        if n <= 0:
            return 1


cdef mk_explorer *explorer_new(const mk_model *model, mk_program *program, int32_t nthreads, int32_t nlocs,
                               const uint64_t *init) except NULL:
    cdef mk_explorer *x = <mk_explorer *>calloc(1, sizeof(mk_explorer))
    if x == NULL:
        raise MemoryError
    x.model = model
    x.program = program
    x.nthreads = nthreads
    x.fault_budget = -1
    x.live = <live_thread *>calloc(max(nthreads, 1), sizeof(live_thread))
    x.root = graph_new(nthreads, nlocs, init)
    x.g = x.root
    return x


cdef void explorer_init_location(mk_explorer *x, int32_t loc, uint64_t value) noexcept nogil:
    cdef int32_t i
    x.root.loc[loc].init = value
    x.g.loc[loc].init = value
    for i in range(x.depth):
        x.stack[i].g.loc[loc].init = value
    for i in range(x.npool):
        x.pool[i].loc[loc].init = value


cdef void explorer_free(mk_explorer *x) noexcept:
    cdef int32_t i
    if x == NULL:
        return
    while x.depth:
        x.depth -= 1
        if x.stack[x.depth].owns:
            graph_free(x.stack[x.depth].g)
    graph_free(x.root)
    for i in range(x.npool):
        graph_free(x.pool[i])
    for i in range(x.nthreads):
        free(x.live[i].seen)
    free(x.live)
    free(x.stack)
    free(x.guide)
    free(x.group)
    free(x.keep)
    free(x.pool)
    free(x)
