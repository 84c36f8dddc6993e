"""How an exploration is run: in slices, from a path, in parts, at random. For programs and scenes alike.

A path is the list of (pos, phase) of the explorer's frames, see explorer.pxd: it leads to the same graph again, and what was explored
before it and what comes after it are known. A part of the tree is a path of which the first choices are fixed.
"""
from cpython.exc cimport PyErr_CheckSignals
from libc.math cimport log
from libc.stdint cimport int32_t, int64_t, uint64_t
from libc.stdlib cimport free, malloc, realloc
from posix.time cimport CLOCK_MONOTONIC, clock_gettime, timespec
from minikvm.check.explorer cimport descend, explore_some, mk_explorer, next_answer, pop, step
from minikvm.check.guide cimport before_answer, divert_by_guide, may_have_more, place_of, rewind, steer_by_guide

from contextlib import contextmanager


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
        """Give a part away that is still to be explored: (path, fixed, after) for start_at() of another exploration of the same. Or None.

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
        """The measure of what is done, if the answers of each choice shared the tree evenly: never less than before; 1 for a whole tree,
        in whatever parts it was explored. (They do not share it evenly: it says little about the time that is left.)
        """
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

    @contextmanager
    def aside(self):
        """Within it the exploration may go elsewhere: its place and its counters are put back, and nobody is told of graphs."""
        cdef mk_explorer *x = self.x
        part, share, ended = self.here(), self.share(), self.ended
        executions, blocked, discarded = x.executions, x.blocked, x.discarded
        self.muted = x.program.complete
        x.program.complete = NULL
        try:
            yield
        finally:
            x.program.complete = self.muted
            if part is not None:
                self.start_at(*part)
            x.executions, x.blocked, x.discarded = executions, blocked, discarded
            self.covered = share
            self.ended = ended

    def seed(self, uint64_t number, uint64_t stream=0):
        """Begin the random numbers anew."""
        self.state[0] = number * <uint64_t>0x9E3779B97F4A7C15 + 1
        self.state[1] = (stream + 1) * <uint64_t>0xBF58476D1CE4E5B9 ^ number
        for _ in range(20):
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
