"""What a graph says of entries, walks and calls. See stays.pxd."""
from libc.stdint cimport int32_t, uint32_t
from minikvm.check.graph cimport EV_READ, EV_WRITE, event, in_prefix, mk_graph, note, po_thread
from minikvm.check.judge cimport MAX_FINDINGS, finding
from minikvm.check.model cimport MODEL_KERNEL_RACES, MODEL_RF_ORDERS
from minikvm.check.models._hb cimport happens_before, hb_compute
from minikvm.check.scene cimport LC_MODE, LC_REQUESTS, NOTE_CALL, NOTE_RETURNED
from minikvm.core.world cimport (
    MK_EV_ENTRY_BEGIN, MK_EV_ENTRY_COMMIT, MK_EV_ENTRY_END, MK_EV_LOADED, MK_EV_PUT, MK_EV_WALK_BEGIN, MK_EV_WALK_END)


cdef int found(judging *j, int32_t property, int32_t thread, int32_t index, int32_t vcpu, int32_t number, int32_t other) noexcept nogil:
    cdef finding *f
    if j.n >= MAX_FINDINGS or not j.wanted >> property & 1:
        return 0
    f = &j.out[j.n]
    f.property = property
    f.thread = thread
    f.event = index
    f.vcpu = vcpu
    f.call = number
    f.other = other
    f.needless = 0
    j.n += 1
    return 1


cdef bint ordered(judging *j, int32_t a, int32_t b) except -1 nogil:
    """Does *a* happen before *b*? By reads-from where that orders, else by C11's happens-before; under the kernel's model, which has none,
    by as much of that as is order there too: it never says so of what is not ordered."""
    if j.m.flags & MODEL_RF_ORDERS:
        return in_prefix(j.g, a, b)
    if not j.clocks_there:
        hb_compute(&j.clocks, j.g, j.m.flags & MODEL_KERNEL_RACES != 0)
        j.clocks_there = True
    return happens_before(&j.clocks, j.g, a, b)


cdef bint ordered_after(judging *j, int32_t a, int32_t b) except -1 nogil:
    """Does *a* happen before what comes after *b* in its thread? A fully ordered RMW has a fence behind it."""
    cdef const event *e = &j.g.ev[b]
    cdef int32_t i
    if ordered(j, a, b):
        return True
    if j.m.flags & MODEL_RF_ORDERS:
        return False
    for i in range(j.clocks.nfences):
        if (j.clocks.fence[i].thread == e.thread and j.clocks.fence[i].place == 3 * <uint32_t>e.index + 2
                and j.clocks.fence_before[<size_t>i * j.clocks.stride + j.g.ev[a].thread] > 3 * <uint32_t>j.g.ev[a].index + 1):
            return True
    return False


cdef int32_t next_write(const mk_graph *g, int32_t t, int32_t index, int32_t loc) noexcept nogil:
    """The id of the thread's first write to a location at or after this index."""
    cdef const po_thread *th = &g.th[t]
    cdef int32_t i
    for i in range(index, th.n):
        if g.ev[th.ev[i]].kind & EV_WRITE and g.ev[th.ev[i]].loc == loc:
            return th.ev[i]
    return NONE_YET


cdef int32_t last_read(const mk_graph *g, int32_t t, int32_t from_index, int32_t index, int32_t loc) noexcept nogil:
    """The id of the thread's last read of a location before this index, from from_index on."""
    cdef const po_thread *th = &g.th[t]
    cdef int32_t i
    for i in range(min(index, th.n) - 1, from_index - 1, -1):
        if g.ev[th.ev[i]].kind & EV_READ and g.ev[th.ev[i]].loc == loc:
            return th.ev[i]
    return NONE_YET


cdef bint next_stay(const judging *j, int32_t t, int32_t *at, stay *out) noexcept nogil:
    """The vCPU's next entry that was committed, or walk, from note *at* on."""
    cdef const mk_graph *g = j.g
    cdef const po_thread *th = &g.th[t]
    cdef const note *n
    cdef int32_t mode, began = NONE_YET
    cdef int32_t begin_pos = 0
    while at[0] < th.nnotes:
        n = &th.notes[at[0]]
        at[0] += 1
        if n.kind == MK_EV_ENTRY_BEGIN:
            mode = loc_of(j.s, LC_MODE, <int32_t>n.subject)
            began = next_write(g, t, n.pos, mode)
            if began == NONE_YET or g.ev[began].wval != 1:  # a fast-path re-entry stores no mode
                began = last_write_before(g, t, n.pos, mode)
            begin_pos = n.pos
        elif n.kind == MK_EV_ENTRY_COMMIT or n.kind == MK_EV_WALK_BEGIN:
            out.thread = t
            out.vcpu = <int32_t>n.subject
            out.walk = n.kind == MK_EV_WALK_BEGIN
            mode = loc_of(j.s, LC_MODE, out.vcpu)
            out.began = last_write_before(g, t, n.pos, mode) if out.walk else began
            # A walk looks at the requests after its mode is stored, an entry before it is committed.
            out.check = last_read(g, t, n.pos, n.pos + 1, loc_of(j.s, LC_REQUESTS, out.vcpu)) if out.walk else last_read(
                g, t, begin_pos, n.pos, loc_of(j.s, LC_REQUESTS, out.vcpu))
            out.ended = end_of(j, t, at[0], mode)
            out.at = n.pos
            return True
    return False


cdef int32_t last_write_before(const mk_graph *g, int32_t t, int32_t index, int32_t loc) noexcept nogil:
    cdef const po_thread *th = &g.th[t]
    cdef int32_t i
    for i in range(min(index, th.n) - 1, -1, -1):
        if g.ev[th.ev[i]].kind & EV_WRITE and g.ev[th.ev[i]].loc == loc:
            return th.ev[i]
    return NONE_YET


cdef int32_t end_of(const judging *j, int32_t t, int32_t at, int32_t mode) noexcept nogil:
    """The store of mode after the note that ends a stay."""
    cdef const po_thread *th = &j.g.th[t]
    for at in range(at, th.nnotes):
        if th.notes[at].kind == MK_EV_ENTRY_END or th.notes[at].kind == MK_EV_WALK_END:
            return next_write(j.g, t, th.notes[at].pos, mode)
    return NONE_YET


cdef bint next_call(const judging *j, int32_t t, int32_t *at, made_call *out) noexcept nogil:
    """The thread's next call, from note *at* on."""
    cdef const po_thread *th = &j.g.th[t]
    cdef const note *n
    cdef int32_t i
    while at[0] < th.nnotes:
        n = &th.notes[at[0]]
        at[0] += 1
        if n.kind != NOTE_CALL:
            continue
        out.thread = t
        out.number = <int32_t>n.subject
        out.targets = n.a
        out.begin = n.pos
        out.end = th.n
        out.note_begin = at[0]
        out.note_end = th.nnotes
        out.returned = False
        for i in range(at[0], th.nnotes):
            if th.notes[i].kind == NOTE_RETURNED and th.notes[i].subject == n.subject:
                out.end = th.notes[i].pos
                out.note_end = i
                out.returned = True
                break
        return True
    return False


cdef inline int32_t further_aside(const note *n) noexcept nogil:
    """Amid a call: 1 where something begins that is not the call's, -1 where it has ended, else 0.

    That is what a vCPU that calls does when it is put and loaded, and the call of an interrupt.
    """
    if n.kind == MK_EV_PUT or n.kind == NOTE_CALL:
        return 1
    return -1 if n.kind == MK_EV_LOADED or n.kind == NOTE_RETURNED else 0


cdef const note *next_note(const judging *j, const made_call *c, int32_t *at) noexcept nogil:
    """The next note of the call's own, from note *at* on; NULL at its end."""
    cdef const note *n
    cdef int32_t aside = 0, further
    while at[0] < c.note_end:
        n = &j.g.th[c.thread].notes[at[0]]
        at[0] += 1
        further = further_aside(n)
        aside += further
        if not aside and not further:
            return n
    return NULL


cdef bint is_own(const judging *j, const made_call *c, int32_t index) noexcept nogil:
    """Is the event at this index of the thread a step of the call's own?"""
    cdef const po_thread *th = &j.g.th[c.thread]
    cdef int32_t i, aside = 0
    for i in range(c.note_begin, c.note_end):
        if th.notes[i].pos > index:
            break
        aside += further_aside(&th.notes[i])
    return not aside


cdef int32_t next_read(const mk_graph *g, int32_t t, int32_t index, int32_t loc) noexcept nogil:
    cdef const po_thread *th = &g.th[t]
    cdef int32_t i
    for i in range(index, th.n):
        if g.ev[th.ev[i]].kind & EV_READ and g.ev[th.ev[i]].loc == loc:
            return th.ev[i]
    return NONE_YET
