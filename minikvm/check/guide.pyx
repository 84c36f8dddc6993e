"""Following a path: the answers that frames have, how many, and the one that is wanted. See steering.pyx."""
from libc.stdint cimport int32_t, uint64_t
from minikvm.check.explorer cimport FR_CHOOSE, FR_READ, FR_REVISIT, FR_WRITE, backtrack, frame, mk_explorer, next_answer, pop, step
from minikvm.check.graph cimport EF_RMW, TH_RUNNABLE, graph_truncate, in_prefix, location

from minikvm.check.explorer import ReplayError


class PathError(ReplayError):
    """A path that this exploration does not have."""


# ---- frames, from outside ----

cdef int32_t writes_then(const frame *f) noexcept nogil:
    """How many other writes the frame's location had when the frame was pushed."""
    cdef const location *l = &f.g.loc[f.g.ev[f.id].loc]
    cdef int32_t i, n = 0
    for i in range(l.nco):
        n += l.co[i] != f.id and f.g.ev[l.co[i]].wstamp < f.top
    return n


cdef int32_t reads_then(const frame *f) noexcept nogil:
    """How many reads the location had then; an RMW's own among them."""
    cdef const location *l = &f.g.loc[f.g.ev[f.id].loc]
    cdef int32_t i, n = 0
    for i in range(l.nreads):
        n += f.g.ev[l.reads[i]].stamp < f.top
    return n


cdef inline bint is_rmw(const frame *f) noexcept nogil:
    return f.g.ev[f.id].flags & EF_RMW


cdef double answers(const frame *f) noexcept nogil:
    """How many answers the frame may have: an upper bound, the same as long as it lives."""
    if f.kind == FR_CHOOSE:
        return <double>f.g.ev[f.id].operand
    if f.kind == FR_READ:
        return writes_then(f) + 1
    if f.kind == FR_REVISIT:
        return 1 if is_rmw(f) else writes_then(f) + 1
    return (1 if is_rmw(f) else writes_then(f) + 1) + reads_then(f)


cdef double answers_before(const frame *f) noexcept nogil:
    """How many of them came before the one in force."""
    if f.kind == FR_CHOOSE:
        return f.pos
    if f.kind == FR_READ:
        return writes_then(f) - 1 - f.pos
    if f.kind == FR_REVISIT or f.phase == 0:
        return 0 if is_rmw(f) else writes_then(f) - f.pos
    return (1 if is_rmw(f) else writes_then(f) + 1) + reads_then(f) - 1 - f.pos


cdef bint may_have_more(const frame *f) noexcept nogil:
    cdef const location *l
    cdef int32_t i
    if f.kind == FR_CHOOSE:
        return <uint64_t>(f.pos + 1) < f.g.ev[f.id].operand
    if f.kind == FR_READ:
        return f.pos >= 0
    if f.kind == FR_WRITE and f.phase:
        return f.pos > 0
    if not is_rmw(f) and f.pos > 0:
        return True
    if f.kind == FR_WRITE:
        l = &f.g.loc[f.g.ev[f.id].loc]
        for i in range(l.nreads):
            if l.reads[i] != f.id and f.g.ev[l.reads[i]].stamp < f.top and not in_prefix(f.g, l.reads[i], f.id):
                return True
    return False


cdef bint is_answer(const frame *f, const step *s) noexcept nogil:
    """Can it be an answer of this frame, which was just pushed?"""
    if s.phase < 0 or s.phase > (f.kind == FR_WRITE):
        return False
    if f.kind == FR_CHOOSE:
        return s.pos >= 0 and <uint64_t>s.pos < f.g.ev[f.id].operand
    if f.kind == FR_READ:
        return -1 <= s.pos < f.g.loc[f.g.ev[f.id].loc].nco
    if s.phase:
        return 0 <= s.pos < f.g.loc[f.g.ev[f.id].loc].nreads
    return 0 <= s.pos <= f.g.loc[f.g.ev[f.id].loc].nco


cdef void before_answer(frame *f, int32_t pos, int32_t phase) noexcept nogil:
    """Make this answer the next one."""
    f.phase = phase
    f.pos = pos - 1 if f.kind == FR_CHOOSE else pos + 1


cdef double place_of(const mk_explorer *x, int32_t depth, bint end) noexcept nogil:
    """Where in the tree the answer in force of the frame below *depth* begins, or ends: 0..1, if a frame's answers shared it evenly."""
    cdef double width = 1
    cdef double at = 0
    cdef int32_t i
    for i in range(depth):
        width /= answers(&x.stack[i])
        at += width * answers_before(&x.stack[i])
    return at + width if end else at


# ---- a path that is followed ----

cdef int misfit(mk_explorer *x, int32_t at) except -1 nogil:
    with gil:
        raise PathError(f"choice {at} of the path ({x.guide[at].pos}, {x.guide[at].phase}) does not exist here: "
                        "it is a path of another program, or of another version of it")


cdef int steer_by_guide(mk_explorer *x) except -1 nogil:
    cdef int32_t at = x.depth - 1
    cdef frame *f = &x.stack[at]
    cdef const step *s = &x.guide[at]
    cdef bint last = at >= x.nguide - 1
    if last:
        x.steer = NULL
    if at >= x.nguide:
        return 0
    if not is_answer(f, s):
        if x.strict:
            misfit(x, at)
        x.steer = NULL
        x.began = 0
        return 0
    if f.pos == s.pos and f.phase == s.phase and not (last and x.after):
        if last:
            x.began = place_of(x, x.depth, False)
        return 0
    f.pos = s.pos
    f.phase = s.phase
    if last:
        x.began = place_of(x, x.depth, x.after)
        if x.after:
            return 1
    before_answer(f, s.pos, s.phase)
    return 1


cdef int divert_by_guide(mk_explorer *x) except -1 nogil:
    cdef int32_t at = x.depth - 1
    cdef int32_t i
    if not next_answer(x):
        if x.after and x.steer == NULL:
            return 0  # nothing comes after the last one
        if x.strict:
            misfit(x, at)
        x.steer = NULL
        return backtrack(x)
    if x.strict:
        for i in range(at, min(x.depth, x.nguide - x.after)):
            if x.stack[i].pos != x.guide[i].pos or x.stack[i].phase != x.guide[i].phase:
                misfit(x, i)
    return 1


cdef int rewind(mk_explorer *x) except -1 nogil:
    """To the root: nothing is chosen."""
    cdef int32_t t
    while x.depth:
        pop(x)
    x.g = x.root
    graph_truncate(x.g, 0)
    for t in range(x.nthreads):
        x.g.th[t].status = TH_RUNNABLE
    x.steer = NULL
    x.diverted = False
    x.base = 0
    x.nguide = 0
    x.after = False
    return 0
