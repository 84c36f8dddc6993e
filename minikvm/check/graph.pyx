"""Execution graphs: memory, addition and removal of events, clocks. See graph.pxd."""
from libc.stdint cimport int32_t, uint8_t, uint16_t, uint64_t
from libc.stdlib cimport calloc, free, malloc, realloc
from libc.string cimport memcpy, memset


cdef int no_memory() except -1 nogil:
    with gil:
        raise MemoryError("an execution graph does not fit into memory")


class EndlessError(RuntimeError):
    """A thread goes on after LONGEST operations of one execution: it has no end that can be explored. args: the thread's number."""

    def __str__(self):
        return self.told_of(f"thread {self.args[0]}")

    def told_of(self, who):
        """The sentence, where the thread has a name."""
        return f"{who} goes on after {LONGEST:,} operations of one execution; expected a thread that comes to an end"


cdef int endless(int32_t thread) except -1 nogil:
    with gil:
        raise EndlessError(thread)


cdef void *grown(void *array, int32_t *capacity, int32_t wanted, size_t size) except NULL nogil:
    """The array with room for *wanted* elements."""
    cdef int32_t n = capacity[0]
    cdef void *bigger
    if n >= wanted and array != NULL:
        return array
    n = max(wanted, 2 * n, 8)
    bigger = realloc(array, n * size)
    if bigger == NULL:
        no_memory()
    capacity[0] = n
    return bigger


cdef int room_for_events(mk_graph *g, int32_t wanted) except -1 nogil:
    cdef int32_t capacity = g.capacity
    if wanted <= capacity:
        return 0
    g.porf = <uint16_t *>grown(g.porf, &capacity, wanted, g.stride * sizeof(uint16_t))
    capacity = g.capacity
    g.ev = <event *>grown(g.ev, &capacity, wanted, sizeof(event))
    g.capacity = capacity
    return 0


cdef int room_at_location(location *l, int32_t wanted) except -1 nogil:
    cdef int32_t capacity = l.capacity
    if wanted <= capacity:
        return 0
    l.co = <int32_t *>grown(l.co, &capacity, wanted, sizeof(int32_t))
    capacity = l.capacity
    l.reads = <int32_t *>grown(l.reads, &capacity, wanted, sizeof(int32_t))
    l.capacity = capacity
    return 0


cdef mk_graph *graph_new(int32_t nthreads, int32_t nlocs, const uint64_t *init) except NULL nogil:
    """An empty graph of so many threads and locations, which hold *init* at first. MemoryError."""
    cdef mk_graph *g = <mk_graph *>calloc(1, sizeof(mk_graph))
    cdef int32_t i
    if g == NULL:
        no_memory()
    g.stride = nthreads
    g.nlocs = nlocs
    g.th = <po_thread *>calloc(max(nthreads, 1), sizeof(po_thread))
    g.loc = <location *>calloc(max(nlocs, 1), sizeof(location))
    g.touched = <int32_t *>calloc(max(nlocs, 1), sizeof(int32_t))
    if g.th == NULL or g.loc == NULL or g.touched == NULL:
        graph_free(g)
        no_memory()
    for i in range(nlocs):
        g.loc[i].init = 0 if init == NULL else init[i]
    g.has_init = init != NULL
    for i in range(nthreads):
        g.th[i].creator = INIT
        g.th[i].created = 1
    room_for_events(g, 32)
    return g


cdef void graph_free(mk_graph *g) noexcept nogil:
    cdef int32_t i
    if g == NULL:
        return
    if g.th != NULL:
        for i in range(g.stride):
            free(g.th[i].ev)
            free(g.th[i].notes)
    if g.loc != NULL:
        for i in range(g.nlocs):
            free(g.loc[i].co)
            free(g.loc[i].reads)
    free(g.th)
    free(g.loc)
    free(g.touched)
    free(g.ev)
    free(g.order)
    free(g.porf)
    free(g)


cdef void join_clock(const mk_graph *g, uint16_t *clock, int32_t id) noexcept nogil:
    cdef const uint16_t *other = g.porf + <size_t>id * g.stride
    cdef int32_t t
    for t in range(g.stride):
        if other[t] > clock[t]:
            clock[t] = other[t]


cdef void set_clock(mk_graph *g, int32_t id) noexcept nogil:
    """The clock of the last event of a thread, from its predecessor in program order and the write that it reads."""
    cdef event *e = &g.ev[id]
    cdef uint16_t *clock = g.porf + <size_t>id * g.stride
    cdef const po_thread *th = &g.th[e.thread]
    if e.index > 0:
        memcpy(clock, g.porf + <size_t>th.ev[e.index - 1] * g.stride, g.stride * sizeof(uint16_t))
    else:
        memset(clock, 0, g.stride * sizeof(uint16_t))
        if th.creator >= 0:
            join_clock(g, clock, th.creator)
    if e.rf >= 0:
        join_clock(g, clock, e.rf)
    clock[e.thread] = e.index + 1


cdef int added(mk_graph *g, int32_t item) except -1 nogil:
    """Note an addition in the order; returns its stamp."""
    if g.norder >= g.order_capacity:
        g.order = <int32_t *>grown(g.order, &g.order_capacity, g.norder + 1, sizeof(int32_t))
    g.order[g.norder] = item
    g.norder += 1
    return g.norder - 1


cdef inline void touch(mk_graph *g, int32_t l) noexcept nogil:
    if not g.loc[l].touched:
        g.loc[l].touched = True
        g.touched[g.ntouched] = l
        g.ntouched += 1


cdef int32_t graph_append(mk_graph *g, const event *e) except -1 nogil:
    cdef int32_t id = g.n
    cdef po_thread *th = &g.th[e.thread]
    cdef location *l
    if id >= g.capacity:
        room_for_events(g, id + 1)
    if th.n >= LONGEST:
        endless(e.thread)
    if th.n >= th.capacity:
        th.ev = <int32_t *>grown(th.ev, &th.capacity, th.n + 1, sizeof(int32_t))
    if e.kind & EV_READ:
        l = &g.loc[e.loc]
        touch(g, e.loc)
        if l.nreads >= l.capacity:
            room_at_location(l, l.nreads + 1)
        l.reads[l.nreads] = id
        l.nreads += 1
    g.ev[id] = e[0]
    g.ev[id].index = th.n
    g.ev[id].rank = -1
    g.ev[id].stamp = added(g, 2 * id)
    g.ev[id].wstamp = g.ev[id].stamp
    th.ev[th.n] = id
    th.n += 1
    g.n += 1
    set_clock(g, id)
    if e.flags & EF_CREATE:
        g.th[e.operand].created = 1
        g.th[e.operand].creator = id
    return id


cdef int graph_write_half(mk_graph *g, int32_t id, uint64_t value) except -1 nogil:
    cdef event *e = &g.ev[id]
    e.kind |= EV_WRITE
    e.flags &= ~EF_PENDING
    e.wval = value
    e.wstamp = added(g, 2 * id + 1)
    return 0


cdef inline void take_back_write(mk_graph *g, event *e, int32_t id) noexcept nogil:
    if e.rank >= 0:
        graph_unplace(g, id)
    e.kind &= ~EV_WRITE
    e.flags |= EF_PENDING
    e.wstamp = e.stamp


cdef void graph_truncate(mk_graph *g, int32_t norder) noexcept nogil:
    cdef int32_t id
    cdef event *e
    cdef po_thread *th
    while g.norder > norder:
        g.norder -= 1
        id = g.order[g.norder] >> 1
        e = &g.ev[id]
        th = &g.th[e.thread]
        th.status = TH_RUNNABLE
        graph_drop_notes(g, e.thread, e.index)
        if g.order[g.norder] & 1:
            take_back_write(g, e, id)
            continue
        if e.kind & EV_READ:
            g.loc[e.loc].nreads -= 1
        elif e.kind & EV_WRITE and e.rank >= 0:
            graph_unplace(g, id)
        if e.flags & EF_CREATE:
            g.th[e.operand].created = 0
            g.th[e.operand].creator = INIT
        th.n -= 1
        g.n -= 1


cdef void graph_set_rf(mk_graph *g, int32_t r, int32_t w) noexcept nogil:
    cdef event *e = &g.ev[r]
    e.rf = w
    e.rval = g.loc[e.loc].init if w == INIT else g.ev[w].wval
    set_clock(g, r)


cdef int graph_place(mk_graph *g, int32_t id, int32_t rank) except -1 nogil:
    """Put a write at a place of its location's coherence order; those from there on move up."""
    cdef location *l = &g.loc[g.ev[id].loc]
    cdef int32_t i
    touch(g, g.ev[id].loc)
    if l.nco >= l.capacity:
        room_at_location(l, l.nco + 1)
    for i in range(l.nco, rank, -1):
        l.co[i] = l.co[i - 1]
        g.ev[l.co[i]].rank = i
    l.co[rank] = id
    l.nco += 1
    g.ev[id].rank = rank
    return 0


cdef void graph_unplace(mk_graph *g, int32_t id) noexcept nogil:
    cdef location *l = &g.loc[g.ev[id].loc]
    cdef int32_t i
    for i in range(g.ev[id].rank, l.nco - 1):
        l.co[i] = l.co[i + 1]
        g.ev[l.co[i]].rank = i
    l.nco -= 1
    g.ev[id].rank = -1


cdef int graph_note(mk_graph *g, int32_t thread, const note *n) except -1 nogil:
    cdef po_thread *th = &g.th[thread]
    if th.nnotes >= th.note_capacity:
        th.notes = <note *>grown(th.notes, &th.note_capacity, th.nnotes + 1, sizeof(note))
    th.notes[th.nnotes] = n[0]
    th.nnotes += 1
    return 0


cdef void graph_drop_notes(mk_graph *g, int32_t thread, int32_t pos) noexcept nogil:
    cdef po_thread *th = &g.th[thread]
    while th.nnotes and th.notes[th.nnotes - 1].pos > pos:
        th.nnotes -= 1


cdef int copy_order(mk_graph *to, const mk_graph *g, const uint8_t *keep, const int32_t *new) except -1 nogil:
    cdef int32_t i, id, same = 0
    cdef event *e
    while same < g.norder:  # up to the first addition that is not kept nothing changes
        id = g.order[same] >> 1
        if new[id] != id or (keep != NULL and g.ev[id].kind & EV_WRITE and not keep[id] & KEEP_WRITE):
            break
        same += 1
    to.order = <int32_t *>grown(to.order, &to.order_capacity, g.norder, sizeof(int32_t))
    memcpy(to.order, g.order, same * sizeof(int32_t))
    to.norder = same
    for i in range(same, g.norder):
        id = g.order[i] >> 1
        if new[id] == NONE:
            continue
        e = &to.ev[new[id]]
        if not g.order[i] & 1:
            e.stamp = added(to, 2 * new[id])
            if e.flags & EF_RMW and e.kind & EV_WRITE and keep != NULL and not keep[id] & KEEP_WRITE:
                e.kind &= ~EV_WRITE
                e.flags |= EF_PENDING
                e.rank = -1
            e.wstamp = e.stamp
        elif e.kind & EV_WRITE:
            e.wstamp = added(to, 2 * new[id] + 1)
    return 0


cdef int copy_threads(mk_graph *to, const mk_graph *g, const uint8_t *keep, const int32_t *new) except -1 nogil:
    cdef int32_t t, i
    cdef const po_thread *f
    cdef po_thread *th
    for t in range(g.stride):
        f = &g.th[t]
        th = &to.th[t]
        if th.capacity < f.n:
            th.ev = <int32_t *>grown(th.ev, &th.capacity, f.n, sizeof(int32_t))
        th.n = 0
        for i in range(f.n):  # what is kept is a prefix
            if keep != NULL and not keep[f.ev[i]] & KEEP_EVENT:
                break
            th.ev[i] = new[f.ev[i]]
            th.n += 1
        th.status = f.status if th.n == f.n else TH_RUNNABLE
        th.joins = f.joins
        th.created = f.created
        th.creator = f.creator
        if f.creator >= 0:
            th.created = keep == NULL or keep[f.creator] & KEEP_EVENT
            th.creator = new[f.creator] if th.created else INIT
        th.nnotes = 0
        if f.nnotes:
            if th.note_capacity < f.nnotes:
                th.notes = <note *>grown(th.notes, &th.note_capacity, f.nnotes, sizeof(note))
            memcpy(th.notes, f.notes, f.nnotes * sizeof(note))
            th.nnotes = f.nnotes
            if th.n < f.n:
                graph_drop_notes(to, t, th.n)
    return 0


cdef int copy_locations(mk_graph *to, const mk_graph *g, const uint8_t *keep, const int32_t *new) except -1 nogil:
    cdef int32_t l, i, k, id
    cdef const location *f
    cdef location *c
    if not to.has_init:  # those of another graph of the same program
        for l in range(g.nlocs):
            to.loc[l].init = g.loc[l].init
        to.has_init = True
    for k in range(to.ntouched):
        to.loc[to.touched[k]].nco = 0
        to.loc[to.touched[k]].nreads = 0
    for k in range(g.ntouched):
        l = g.touched[k]
        touch(to, l)
        f = &g.loc[l]
        c = &to.loc[l]
        if c.capacity < max(f.nco, f.nreads):
            room_at_location(c, max(f.nco, f.nreads))
        for i in range(f.nco):
            id = f.co[i]
            if keep == NULL or keep[id] & KEEP_WRITE:
                to.ev[new[id]].rank = c.nco
                c.co[c.nco] = new[id]
                c.nco += 1
        for i in range(f.nreads):
            id = f.reads[i]
            if keep == NULL or keep[id] & KEEP_EVENT:
                c.reads[c.nreads] = new[id]
                c.nreads += 1
    return 0


cdef int graph_copy(mk_graph *to, const mk_graph *g, const uint8_t *keep) except -1 nogil:
    cdef int32_t i, n = 0
    cdef int32_t few[256]
    cdef int32_t *new = few
    cdef event *e
    if g.n > 256:
        new = <int32_t *>malloc(g.n * sizeof(int32_t))
        if new == NULL:
            no_memory()
    room_for_events(to, g.n)
    while n < g.n and (keep == NULL or keep[n] & KEEP_EVENT):
        new[n] = n
        n += 1
    memcpy(to.ev, g.ev, n * sizeof(event))
    memcpy(to.porf, g.porf, <size_t>n * g.stride * sizeof(uint16_t))
    for i in range(n, g.n):
        if keep != NULL and not keep[i] & KEEP_EVENT:
            new[i] = NONE
            continue
        new[i] = n
        to.ev[n] = g.ev[i]
        memcpy(to.porf + <size_t>n * g.stride, g.porf + <size_t>i * g.stride, g.stride * sizeof(uint16_t))
        n += 1
    to.n = n
    for i in range(n):
        e = &to.ev[i]
        if e.rf >= 0:  # a read that was revisited may read from a later event
            e.rf = new[e.rf]
    copy_order(to, g, keep, new)
    copy_threads(to, g, keep, new)
    copy_locations(to, g, keep, new)
    if new != few:
        free(new)
    return 0
