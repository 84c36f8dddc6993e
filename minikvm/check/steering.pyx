"""How an exploration is run: in slices, from a path, in parts, at random. For programs and scenes alike.

A path is the list of (pos, phase) of the explorer's frames, see explorer.pxd: it leads to the same graph again, and what was explored before
it and what comes after it are known. A part of the tree is a path of which the first choices are fixed.
"""
from cpython.exc cimport PyErr_CheckSignals
from libc.math cimport log
from libc.stdint cimport int32_t, int64_t, uint64_t
from libc.stdlib cimport free, malloc, realloc
from posix.time cimport CLOCK_MONOTONIC, clock_gettime, timespec
from minikvm.check.explorer cimport (
    FR_CHOOSE, FR_READ, FR_REVISIT, FR_WRITE, backtrack, descend, explore_some, frame, mk_explorer, next_answer, pop, step)
from minikvm.check.graph cimport EF_RMW, EV_WRITE, TH_RUNNABLE, event, graph_truncate, in_prefix, location, mk_graph

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


# ---- random walks ----

cdef uint64_t draw(uint64_t *state) noexcept nogil:
    """xorshift128+ (Vigna, "Further scramblings of Marsaglia's xorshift generators", 2017)."""
    cdef uint64_t a = state[0]
    cdef uint64_t b = state[1]
    state[0] = b
    a ^= a << 23
    state[1] = a ^ b ^ (a >> 18) ^ (b >> 5)
    return state[1] + b


cdef struct walker:
    uint64_t *state
    double *weight
    step *found     # the answers of one frame, two steps each: the frame's own, and its FR_REVISIT's above it
    int32_t capacity


cdef int steer_always(mk_explorer *x) except -1 nogil:
    return 1


cdef int find_answers(mk_explorer *x, walker *w, int32_t at) except -1 nogil:
    """Every answer of the top frame, found by trying them. Returns their number; the frame is left without one."""
    cdef int32_t n = 0
    cdef void *bigger
    before_answer(&x.stack[at], x.stack[at].pos, 0)
    while True:
        if not next_answer(x):
            if x.depth == at + 1:
                return n
            pop(x)
            continue
        if n >= w.capacity:
            bigger = realloc(w.found, (2 * w.capacity + 32) * 2 * sizeof(step))
            if bigger == NULL:
                with gil:
                    raise MemoryError
            w.found = <step *>bigger
            w.capacity = 2 * w.capacity + 32
        w.found[2 * n].pos = x.stack[at].pos
        w.found[2 * n].phase = x.stack[at].phase
        w.found[2 * n + 1].pos = x.stack[at + 1].pos if x.depth > at + 1 else -1
        n += 1


cdef int divert_at_random(mk_explorer *x) except -1 nogil:
    cdef walker *w = <walker *>x.steering
    cdef int32_t at = x.depth - 1
    cdef int32_t n
    cdef step *chosen
    x.steer = NULL
    n = find_answers(x, w, at)
    if n == 0:
        return 0
    chosen = &w.found[2 * (draw(w.state) % n)]
    w.weight[0] += log(n)
    before_answer(&x.stack[at], chosen.pos, chosen.phase)
    if not next_answer(x):
        return 0
    if x.depth > at + 1:
        while x.stack[at + 1].pos != chosen[1].pos:
            if not next_answer(x):
                return 0
    x.steer = steer_always
    return 1


# ---- the class ----

cdef double now() noexcept nogil:
    cdef timespec t
    clock_gettime(CLOCK_MONOTONIC, &t)
    return t.tv_sec + 1e-9 * t.tv_nsec


cdef int run_slice(Steered self, int64_t n, double until) except -1 nogil:
    """For at most n graphs, and until then. 0: exhausted. The clock is looked at about every half millisecond."""
    cdef int64_t part
    cdef double before = now()
    cdef double after
    while n > 0:
        part = min(n, self.slice_graphs)
        if not explore_some(self.x, part):
            return 0
        n -= part
        after = now()
        if after >= until:
            return 1
        if after - before < 0.00025 and self.slice_graphs < 4096:
            self.slice_graphs *= 2
        elif after - before > 0.001 and self.slice_graphs > 1:
            self.slice_graphs //= 2
        before = after
    return 1


cdef class Steered:
    """An exploration, whatever is explored: its path, its parts, its counters."""

    def __cinit__(self):
        self.x = NULL
        self.python = True
        self.slice_graphs = 1

    def explore(self, int64_t n, seconds=None):
        """Go on for so many graphs (complete, blocked, or leading nowhere), and so many seconds. False when there is no more.

        One graph is explored at least; signals are looked at afterwards.
        """
        cdef double until = now() + (<double>seconds if seconds is not None else 1e9)
        cdef int more
        if self.ended:
            return False
        if self.python:
            more = run_slice(self, n, until)
        else:
            with nogil:
                more = run_slice(self, n, until)
        if not more:
            self.covered += self.place(True) - self.x.began
            self.ended = True
        PyErr_CheckSignals()
        return bool(more)

    @property
    def at_end(self):
        """Is nothing left of this part (or is it somebody else's, after leave())?"""
        return bool(self.ended)

    @property
    def executions(self):
        """Complete executions so far."""
        return self.x.executions

    @property
    def blocked(self):
        """Executions so far in which somebody waits for ever."""
        return self.x.blocked

    @property
    def discarded(self):
        """Graphs that are not maximal."""
        return self.x.discarded

    # ---- paths ----

    def path(self):
        """The choices that lead to the current graph: [(pos, phase)]."""
        return [(self.x.stack[i].pos, self.x.stack[i].phase) for i in range(self.x.depth)]

    @property
    def fixed(self):
        """How many of the path's first choices are not this part's to change."""
        return self.x.base

    cdef int set_guide(self, path, int32_t fixed, bint after, bint strict) except -1:
        cdef int32_t i
        cdef mk_explorer *x = self.x
        rewind(x)
        free(x.guide)
        x.guide = <step *>malloc(max(len(path), 1) * sizeof(step))
        if x.guide == NULL:
            raise MemoryError
        for i, (pos, phase) in enumerate(path):
            x.guide[i].pos = pos
            x.guide[i].phase = phase
        x.nguide = len(path)
        x.strict = strict
        x.after = after
        x.base = fixed
        if x.nguide:
            x.steer = steer_by_guide
            x.divert = divert_by_guide
        x.began = -1 if x.nguide else 0
        self.ended = False
        return 0

    def start_at(self, path, int32_t fixed=0, bint after=False):
        """Go on from here: the next graph is the one that the path leads to, then those that come after it.

        fixed: this part of the tree has these first choices. after: begin with what comes after the path's last choice, instead of it.
        The next explore() raises PathError for a path that is none.
        """
        if not 0 <= fixed <= len(path) - after:
            raise ValueError(f"{fixed} choices of a path of {len(path)} cannot be fixed")
        self.set_guide(path, fixed, after, True)

    def follow(self, path):
        """Take these choices first, as far as they exist: the plugins may be others than the path's."""
        self.set_guide(path, 0, False, False)

    # ---- parts ----

    def split(self):
        """Give a part away that is still to be explored, as (path, fixed, after) for start_at() of another exploration of the same. Or None.

        The largest one that there is: what comes after the answer in force of the lowest frame that has more.
        """
        cdef mk_explorer *x = self.x
        cdef int32_t at
        if self.ended or x.steer != NULL:
            return None
        for at in range(x.base, x.depth):
            if may_have_more(&x.stack[at]):
                path = self.path()[:at + 1]
                self.covered += self.place(True) - place_of(x, at, True)  # frames in between have nothing
                x.base = at + 1
                return path, at, True
        return None

    cdef double place(self, bint end):
        """Where in the tree the current graph is, or where this part ends."""
        return place_of(self.x, self.x.base, True) if end else place_of(self.x, self.x.depth, False)

    def share(self):
        """How much of the tree is done, 0..1: never less than before. What other parts of it do is not counted."""
        if self.ended or self.x.steer != NULL or self.x.began < 0:
            return self.covered
        return self.covered + self.place(False) - self.x.began

    def leave(self):
        """here(), and explore no more: somebody else does."""
        part = self.here()
        self.covered = self.share()
        self.ended = True
        return part

    def here(self):
        """What is left of this part, the current graph included, as split() does; None when there is nothing."""
        if self.ended:
            return None
        if self.x.steer == NULL:
            return self.path(), self.x.base, False
        return [(self.x.guide[i].pos, self.x.guide[i].phase) for i in range(self.x.nguide)], self.x.base, bool(self.x.after)

    # ---- what was found ----

    def found(self):
        """Everything that was found so far, as plain data that merge() takes."""
        return {"executions": self.x.executions, "blocked": self.x.blocked, "discarded": self.x.discarded, "share": self.share()}

    def merge(self, found):
        """Add what another exploration of the same found."""
        self.x.executions += <uint64_t>found["executions"]
        self.x.blocked += <uint64_t>found["blocked"]
        self.x.discarded += <uint64_t>found["discarded"]
        self.covered += <double>found["share"]

    def forget(self):
        """Begin to count anew."""
        self.x.executions = self.x.blocked = self.x.discarded = 0
        self.covered = 0

    # ---- random walks ----

    def seed(self, uint64_t number, uint64_t stream=0):
        """Begin the random numbers anew."""
        cdef int i
        self.state[0] = number * <uint64_t>0x9E3779B97F4A7C15 + 1
        self.state[1] = (stream + 1) * <uint64_t>0xBF58476D1CE4E5B9 ^ number
        for i in range(20):
            draw(self.state)

    def walk(self):
        """One walk from the root to a leaf, at each choice to one of its answers, all as likely.

        Returns the natural logarithm of the product of their numbers: with Knuth's estimator, what the leaf counts for.
        """
        cdef walker w
        w.state = self.state
        w.weight = &self.weight
        w.found = NULL
        w.capacity = 0
        self.weight = 0
        rewind(self.x)
        self.x.steering = &w
        self.x.steer = steer_always
        self.x.divert = divert_at_random
        try:
            descend(self.x)
        finally:
            self.x.steer = NULL
            free(w.found)
        self.ended = False
        return self.weight
