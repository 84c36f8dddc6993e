"""The properties of one execution graph of a scene. A vCPU's entries and an initiator's calls are found by their notes.

The notes are ghost state: nothing under test sees them. What they say is joined to events by position: a note stands after so many events.
"""
from libc.stdint cimport int32_t, uint32_t, uint64_t
from minikvm.check.economy cimport needless_ipis
from minikvm.check.graph cimport (
    EF_BLOCKED, EF_MUST, EV_READ, EV_WRITE, INIT, TH_BLOCKED, co_last, event, mk_graph, note, po_thread, rank_of)
from minikvm.check.look cimport may_find_older
from minikvm.check.model cimport MODEL_KERNEL_RACES, mk_model
from minikvm.check.races cimport find_races, race
from minikvm.check.scene cimport (
    LC_EVENT, LC_MODE, LC_PAGE, LC_PAYLOAD, LC_REQUESTS, LC_RUN, NOTE_MASK, NOTE_RESTS, NOTE_SLEEPS, NOTE_WAITS_GATE, call, scene)
from minikvm.check.stays cimport (
    NONE_YET, found, is_own, judging, last_read, last_write_before, loc_of, made_call, next_call, next_note, next_read, next_stay, ordered,
    ordered_after, stay)
from minikvm.core.bits cimport ctz64
from minikvm.core.world cimport (
    MK_EV_CONSUMED, MK_EV_DEFERRED, MK_EV_MADE, MK_EV_MASKED, MK_EV_MODE, MK_EV_WOKE, MK_REQ_MASK, MK_REQ_NO_ACTION, MK_REQ_NO_WAKEUP)


# ---- P2, P8: about calls ----

cdef int32_t request_write(const judging *j, const made_call *c, int32_t vcpu) noexcept nogil:
    """The write by which the call made its request to a vCPU."""
    cdef const po_thread *th = &j.g.th[c.thread]
    cdef int32_t loc = loc_of(j.s, LC_REQUESTS, vcpu)
    cdef uint64_t bit = (<uint64_t>1) << (j.s.calls[c.number].request & MK_REQ_MASK)
    cdef const event *e
    cdef int32_t i
    for i in range(c.begin, c.end):
        e = &j.g.ev[th.ev[i]]
        if e.kind & EV_WRITE and e.loc == loc and e.wval & bit and is_own(j, c, i):
            return th.ev[i]
    return NONE_YET


cdef bint was_woken_by(const judging *j, const made_call *c, int32_t vcpu) noexcept nogil:
    """Did this call wake the vCPU? Then it owes it no more (the final form's rule, and control B's)."""
    cdef int32_t at = c.note_begin
    cdef const note *n = next_note(j, c, &at)
    while n is not NULL:
        if n.kind == MK_EV_WOKE and n.subject == <uint64_t>vcpu:
            return True
        n = next_note(j, c, &at)
    return False


cdef bint missed(const judging *j, const made_call *c, const stay *e) noexcept nogil:
    """Is it a stay that the call has to see the end of? An entry that missed the request; where there is none, one that the call met."""
    cdef const call *q = &j.s.calls[c.number]
    cdef int32_t made, mode
    if not q.request & MK_REQ_NO_ACTION:
        made = request_write(j, c, e.vcpu)
        if made == NONE_YET or e.check == NONE_YET:
            return False
        return rank_of(j.g, j.g.ev[e.check].rf) < j.g.ev[made].rank
    mode = last_read(j.g, c.thread, c.begin, c.end, loc_of(j.s, LC_MODE, e.vcpu))
    return mode != NONE_YET and e.began >= 0 and rank_of(j.g, j.g.ev[mode].rf) >= j.g.ev[e.began].rank


cdef bint saw_end(judging *j, const made_call *c, const stay *e) except -1 nogil:
    """Has the call seen that the stay is over, by its read of mode or by what it waited for: who looked at the mode now had to find it so.

    That is the model's own question (look.pyx), and the first two answers spare us it: reads of one location do not go back in coherence,
    and what happens before a read is not too new for it, in any model.
    """
    cdef const po_thread *th = &j.g.th[c.thread]
    cdef int32_t i
    cdef const event *x
    cdef bint missable
    if e.ended == NONE_YET:
        return False
    for i in range(c.begin, c.end):
        x = &j.g.ev[th.ev[i]]
        if x.kind & EV_READ and x.loc == loc_of(j.s, LC_MODE, e.vcpu) and rank_of(j.g, x.rf) >= j.g.ev[e.ended].rank:
            return True
    if c.end > 0 and ordered_after(j, e.ended, th.ev[c.end - 1]):
        return True
    missable = may_find_older(j.m, j.g, c.thread, c.end, e.ended)
    j.clocks_there = False  # a model may have computed its own
    return not missable


cdef int judge_wait(judging *j, const made_call *c) except -1 nogil:
    """P2."""
    cdef stay e
    cdef int32_t t, at
    if not c.returned or not j.s.calls[c.number].waits:
        return 0
    for t in range(j.s.nvcpus):
        if t == c.thread or not c.targets >> t & 1 or was_woken_by(j, c, t):
            continue
        at = 0
        while next_stay(j, t, &at, &e):
            if missed(j, c, &e) and not saw_end(j, c, &e):
                found(j, 2, c.thread, c.end - 1, t, c.number, e.check if e.check != NONE_YET else e.began)
                break
    return 0


cdef uint64_t everybody(const scene *s) noexcept nogil:
    """The mask of all pCPUs; they are all online."""
    return <uint64_t>-1 if s.all_pcpus >= 64 else ((<uint64_t>1) << s.all_pcpus) - 1


cdef int judge_targets(judging *j, const made_call *c) except -1 nogil:
    """P8: made to those of the mask and only to those; the mask that is sent is the one that was built."""
    cdef uint64_t touched = 0, built = 0, sent = 0, wrong
    cdef bint sends = False, built_any = False
    cdef int32_t at = c.note_begin
    cdef const note *n = next_note(j, c, &at)
    while n is not NULL:
        if n.kind == MK_EV_MADE or n.kind == MK_EV_MODE or n.kind == MK_EV_WOKE or n.kind == MK_EV_DEFERRED:
            touched |= (<uint64_t>1) << n.subject
        elif n.kind == MK_EV_MASKED:
            built_any = True
            if n.b:
                built |= (<uint64_t>1) << n.a
        elif n.kind == NOTE_MASK:
            sends = True
            sent |= n.a
        n = next_note(j, c, &at)
    if j.s.calls[c.number].request & MK_REQ_NO_ACTION and sent == everybody(j.s):
        touched |= c.targets  # nothing else is asked of a target than its IPI
    wrong = touched & ~c.targets
    if c.returned:
        wrong |= c.targets & ~touched
    if wrong:
        found(j, 8, c.thread, c.end - 1, ctz64(wrong), c.number, -1)
    elif sends and built_any and c.returned and built & ~sent:
        found(j, 8, c.thread, c.end - 1, -1, c.number, -1)
    return 0


# ---- P1, P3, P5, P7: about those who wait for ever ----

cdef uint64_t owed_to_sleeper(const judging *j, int32_t vcpu) noexcept nogil:
    """Bits that are set in the end, made by a call that wakes sleepers and not consumed since."""
    cdef const mk_graph *g = j.g
    cdef int32_t loc = loc_of(j.s, LC_REQUESTS, vcpu)
    cdef int32_t t, at, made, last = co_last(g, loc)
    cdef uint64_t bits, owed = 0, bit
    cdef made_call c
    if last == INIT:
        return 0
    bits = g.ev[last].wval & j.s.vm.wake_mask
    for t in range(j.s.nthreads):
        at = 0
        while next_call(j, t, &at, &c):
            bit = (<uint64_t>1) << (j.s.calls[c.number].request & MK_REQ_MASK)
            if not bits & bit or j.s.calls[c.number].request & MK_REQ_NO_WAKEUP or not c.targets >> vcpu & 1:
                continue
            made = request_write(j, &c, vcpu)
            if made != NONE_YET and still_set(g, loc, made, bit):
                owed |= bit
    return owed


cdef bint still_set(const mk_graph *g, int32_t loc, int32_t made, uint64_t bit) noexcept nogil:
    cdef int32_t i
    for i in range(g.ev[made].rank, g.loc[loc].nco):
        if not g.ev[g.loc[loc].co[i]].wval & bit:
            return False
    return True


cdef bint event_owed(const judging *j, int32_t t, const stay *e) noexcept nogil:
    """Something was published before a kick without a request; the vCPU did not see it before this entry, and the kick is gone."""
    cdef const mk_graph *g = j.g
    cdef const call *q
    cdef int32_t i, k, loc, seen
    cdef made_call c
    for k in range(j.s.nthreads):
        i = 0
        while next_call(j, k, &i, &c):
            q = &j.s.calls[c.number]
            if not q.request & MK_REQ_NO_ACTION or not c.returned or not c.targets >> e.vcpu & 1:
                continue
            loc = loc_of(j.s, LC_EVENT, q.initiator)
            seen = last_read(g, t, 0, e.at, loc)
            if seen != NONE_YET and g.ev[seen].rval == 0:
                return True
    return False


cdef bint sticky_owed(const judging *j, int32_t vcpu) noexcept nogil:
    """Was a sticky request ever made to this vCPU? It holds for ever, whoever cleared its bit."""
    cdef const call *q
    cdef int32_t i, k
    cdef made_call c
    for k in range(j.s.nthreads):
        i = 0
        while next_call(j, k, &i, &c):
            q = &j.s.calls[c.number]
            if (j.s.vm.sticky_mask >> (q.request & MK_REQ_MASK) & 1 and not q.request & MK_REQ_NO_ACTION and c.targets >> vcpu & 1
                    and request_write(j, &c, vcpu) != NONE_YET):
                return True
    return False


cdef int waits_how(const po_thread *th) noexcept nogil:
    """NOTE_RESTS, NOTE_SLEEPS or NOTE_WAITS_GATE of a vCPU that is blocked and in no must-wait; 0 where there was nothing of the kind."""
    cdef int32_t i
    for i in range(th.nnotes - 1, -1, -1):
        if th.notes[i].kind == NOTE_RESTS or th.notes[i].kind == NOTE_SLEEPS or th.notes[i].kind == NOTE_WAITS_GATE:
            return th.notes[i].kind
    return 0


cdef bint goes_on(const judging *j) noexcept nogil:
    """Is this no end on a machine? Somebody waits for a pCPU whose holder rests in the guest: his wish came before that guest was loaded.

    The scheduler's next tick brings such a guest out. What follows is explored all the same: where the wish comes after the load, and
    is what brings it out. Between its wish and its turn a thread does nothing, so those executions differ from this one in nothing else.
    """
    cdef const mk_graph *g = j.g
    cdef const event *e
    cdef const event *holder
    cdef int32_t t, w
    for t in range(j.s.nthreads):
        if g.th[t].status != TH_BLOCKED or not g.th[t].n:
            continue
        e = &g.ev[g.th[t].ev[g.th[t].n - 1]]
        if not e.flags & EF_MUST or not 0 <= e.loc - loc_of(j.s, LC_RUN, 0) < j.s.count[<int>LC_RUN]:
            continue
        w = co_last(g, e.loc)
        if w == INIT:
            continue
        holder = &g.ev[g.th[g.ev[w].thread].ev[g.th[g.ev[w].thread].n - 1]]
        if holder.flags & EF_BLOCKED and not holder.flags & EF_MUST and waits_how(&g.th[holder.thread]) == NOTE_RESTS:
            return True
    return False


cdef int judge_blocked(judging *j, int32_t t) except -1 nogil:
    """A thread that waits for ever: by what it waits for, and what is owed to it."""
    cdef const mk_graph *g = j.g
    cdef const po_thread *th = &g.th[t]
    cdef const event *e = &g.ev[th.ev[th.n - 1]]
    cdef stay last
    cdef int32_t at, loc, kind, w
    cdef int32_t call_number = -1
    cdef bint have = False
    if e.flags & EF_MUST:
        found(j, 7, t, th.n - 1, -1, call_number, -1)
        return 0
    if t >= j.s.nvcpus:
        return 0
    kind = waits_how(th)
    if kind == NOTE_WAITS_GATE:
        found(j, 5, t, th.n - 1, t, -1, -1)
    elif kind == NOTE_SLEEPS:
        if owed_to_sleeper(j, t):
            found(j, 3, t, th.n - 1, t, -1, -1)
    elif kind == NOTE_RESTS:
        at = 0
        while next_stay(j, t, &at, &last):
            have = True
        loc = loc_of(j.s, LC_REQUESTS, t)
        w = co_last(g, loc)
        if have and ((w != INIT and g.ev[w].wval != 0) or event_owed(j, t, &last) or sticky_owed(j, t)):
            found(j, 1, t, th.n - 1, t, -1, last.check)
    return 0


# ---- P4, P6 ----

cdef bint reaches(const judging *j, int32_t free, int32_t t) noexcept nogil:
    """Is the page that was freed there one of this vCPU's? It was flushed from the targets that its call drew, and from no others."""
    cdef made_call c
    cdef uint64_t targets = 0
    cdef int32_t at = 0
    while next_call(j, j.g.ev[free].thread, &at, &c):
        if c.end > j.g.ev[free].index:
            break
        targets = c.targets
    return targets >> t & 1


cdef int judge_walks_by_races(judging *j) except -1 nogil:
    """P4 where the model has its own idea of what orders plain accesses, which those to a page are."""
    cdef const mk_graph *g = j.g
    cdef race some[64]
    cdef int32_t i, r, w, first = loc_of(j.s, LC_PAGE, 0)
    for i in range(min(find_races(j.m, g, some, 64), 64)):
        r = some[i].first
        w = some[i].second
        if not first <= g.ev[r].loc < first + j.s.count[<int>LC_PAGE]:
            continue
        if g.ev[r].kind & EV_WRITE:
            r, w = w, r
        if reaches(j, w, g.ev[r].thread):
            found(j, 4, g.ev[r].thread, g.ev[r].index, g.ev[r].thread, -1, w)
    return 0


cdef bint pages_may_race(judging *j) except -1 nogil:
    """The quick test before judge_walks_by_races(). A smp_mb() stands before the free: what is ordered to it is so for any access."""
    cdef const mk_graph *g = j.g
    cdef int32_t i, k, r, loc
    for i in range(j.s.count[<int>LC_PAGE]):
        loc = loc_of(j.s, LC_PAGE, i)
        for k in range(g.loc[loc].nreads if g.loc[loc].nco else 0):
            r = g.loc[loc].reads[k]
            if not ordered(j, r, g.loc[loc].co[0]) and not ordered(j, g.loc[loc].co[0], r):
                return True
    return False


cdef int judge_walks(judging *j) except -1 nogil:
    """P4: a walker's access to a page and its release, decided by order and never by the value read."""
    cdef const mk_graph *g = j.g
    cdef int32_t i, k, r, w, loc
    for i in range(j.s.count[<int>LC_PAGE]):
        loc = loc_of(j.s, LC_PAGE, i)
        if not g.loc[loc].nco:
            continue
        for k in range(g.loc[loc].nreads):
            r = g.loc[loc].reads[k]
            w = g.loc[loc].co[0]
            if reaches(j, w, g.ev[r].thread) and not ordered(j, r, w) and not ordered(j, w, r):
                found(j, 4, g.ev[r].thread, g.ev[r].index, g.ev[r].thread, -1, w)
    return 0


cdef int judge_payload(judging *j, int32_t t) except -1 nogil:
    """P6: for each request consumed, of each call whose bit it was, the payload read after it is no older than the call's."""
    cdef const mk_graph *g = j.g
    cdef const po_thread *th = &g.th[t]
    cdef const note *n
    cdef made_call c
    cdef int32_t i, k, at, made, consumed, read, stored
    for i in range(th.nnotes):
        n = &th.notes[i]
        if n.kind != MK_EV_CONSUMED:
            continue
        consumed = last_write_before(g, t, n.pos, loc_of(j.s, LC_REQUESTS, <int32_t>n.subject))
        if consumed == NONE_YET:
            continue
        for k in range(j.s.nthreads):
            at = 0
            while next_call(j, k, &at, &c):
                if (j.s.calls[c.number].request & MK_REQ_MASK) != n.a or not c.targets >> n.subject & 1:
                    continue
                made = request_write(j, &c, <int32_t>n.subject)
                if made == NONE_YET or g.ev[made].rank >= g.ev[consumed].rank:
                    continue
                stored = last_write_before(g, k, c.begin, loc_of(j.s, LC_PAYLOAD, j.s.calls[c.number].initiator))
                read = next_read(g, t, n.pos, loc_of(j.s, LC_PAYLOAD, j.s.calls[c.number].initiator))
                if read != NONE_YET and stored != NONE_YET and rank_of(g, g.ev[read].rf) < g.ev[stored].rank:
                    found(j, 6, t, g.ev[read].index, t, c.number, stored)
    return 0


cdef int judge(const scene *s, const mk_model *m, const mk_graph *g, uint32_t wanted, finding *out) except -1 nogil:
    cdef judging j
    cdef made_call c
    cdef int32_t t, at, wasted, needless = 0, most = 0
    cdef int32_t worst_thread = 0, worst_end = 0, worst_number = 0
    cdef bint ends
    j.s = s
    j.m = m
    j.g = g
    j.wanted = wanted
    j.clocks_there = False
    j.out = out
    j.n = 0
    ends = s.nshared == 0 or not goes_on(&j)
    for t in range(s.nthreads):
        if ends and g.th[t].status == TH_BLOCKED and g.th[t].n:
            judge_blocked(&j, t)
        at = 0
        while next_call(&j, t, &at, &c):
            judge_wait(&j, &c)
            judge_targets(&j, &c)
            if wanted >> 9 & 1:
                wasted = needless_ipis(&j, &c)
                needless += wasted
                if wasted > most:
                    most = wasted
                    worst_thread, worst_end, worst_number = t, c.end, c.number
        if wanted >> 6 & 1 and t < s.nvcpus:
            judge_payload(&j, t)
    if needless > s.needless and found(&j, 9, worst_thread, worst_end - 1, -1, worst_number, -1):
        out[j.n - 1].needless = needless
    if wanted >> 4 & 1 and s.walks | s.migrates:
        if m.flags & MODEL_KERNEL_RACES:
            if pages_may_race(&j):
                judge_walks_by_races(&j)
        else:
            judge_walks(&j)
    return j.n
