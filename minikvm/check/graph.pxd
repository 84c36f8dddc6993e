# cython: language_level=3
"""Execution graphs: events, program order, reads-from and coherence order. What a memory model looks at, and what the explorer changes.

Ids of events are dense, 0..g.n-1, in the order of their addition. A location's initial write has no event: reads-from INIT.
An RMW is one event that reads and, if it took place, writes; its write comes right after its source in coherence. Its two halves are added
one after the other (the explorer may cut between them: then it is EF_PENDING), so that the order of addition counts halves.
A graph is acyclic in po and rf: prefixes are closed under both, and clocks are vectors of lengths of po-prefixes, one a thread.
"""
from libc.stdint cimport int32_t, uint8_t, uint16_t, uint32_t, uint64_t

cdef enum:
    INIT = -1     # event.rf: reads the location's initial value
    NONE = -2     # event.rf: reads nothing

cdef enum event_kind:  # bits of event.kind
    EV_READ = 1
    EV_WRITE = 2      # READ | WRITE: an RMW that took place
    EV_FENCE = 4
    EV_CHOOSE = 8
    EV_SYNC = 16      # thread begin (rf: the creating event, or INIT) and join (rf: the last event of the joined thread): orders, no value

cdef enum event_flag:  # bits of event.flags
    EF_RMW = 1        # an RMW instruction; without EV_WRITE it failed (or its write is not there yet: EF_PENDING)
    EF_PENDING = 2    # an RMW that will take place, whose write is not there yet
    EF_AWAIT = 4      # the value was waited for
    EF_MUST = 8       # ... by somebody who must not wait for ever (P7)
    EF_BLOCKED = 16   # an await that the value read does not satisfy
    EF_NORETURN = 32  # an RMW that returns no value (set_bit, clear_bit, atomic_or)
    EF_CREATE = 64    # EV_SYNC: creates a thread

cdef enum:
    LONGEST = 65535   # events of a thread, so that clocks can count them

cdef struct event:
    uint8_t kind
    uint8_t order     # enum mk_order of minikvm/atomics.h; an RMW's as it succeeds
    uint8_t op        # EV_FENCE: enum mk_fence_kind or check's own (fences.pxd); EF_RMW: the operation; EF_AWAIT: the condition
    uint8_t flags
    uint16_t thread
    uint16_t index    # in program order: below LONGEST
    int32_t loc       # -1: none
    int32_t rf        # EV_READ: the write's id, or INIT
    int32_t rank      # EV_WRITE: its place in the location's co
    int32_t stamp     # its place in the order of addition
    int32_t wstamp    # that of an RMW's write; of any other event its stamp
    uint32_t line     # of the source place, for people
    uint64_t rval     # value read; EV_CHOOSE: the answer
    uint64_t wval     # value written
    uint64_t operand  # EV_CHOOSE: the number of answers; of an RMW or await
    uint64_t expected
    uint64_t addr     # dependencies: bit k is set when the event depends on the one k + 1 places before it in its thread
    uint64_t data
    uint64_t ctrl
    const char *name  # the operation's name, for people
    const char *file

cdef struct location:
    uint64_t init
    int32_t nco
    int32_t nreads
    int32_t capacity  # of both arrays
    int32_t *co       # ids of the writes in coherence order, without the initial one
    int32_t *reads    # ids of the reads (RMWs too), by id
    uint8_t touched   # listed in mk_graph.touched

cdef enum thread_status:
    TH_RUNNABLE = 0   # not known to have ended or to be blocked
    TH_BLOCKED = 1    # its last event is EF_BLOCKED
    TH_ENDED = 2
    TH_JOINING = 3    # waits for another thread's end

cdef struct note:     # ghost state: what happened between two events of a thread. No model sees it, no clock counts it.
    int32_t pos       # after so many events of the thread
    int32_t kind
    uint64_t subject
    uint64_t a
    uint64_t b

cdef struct po_thread:
    int32_t n         # events
    int32_t capacity
    int32_t *ev       # their ids
    uint8_t status
    uint8_t created   # 0: a thread that its creator has not reached yet
    int32_t creator   # id of the event that created it, INIT for a thread of the start
    int32_t joins     # TH_JOINING: the thread waited for
    int32_t nnotes
    int32_t note_capacity
    note *notes

cdef struct mk_graph:
    int32_t n
    int32_t capacity
    int32_t nlocs
    int32_t norder
    int32_t order_capacity
    int32_t *order    # of addition: 2 * id for an event, 2 * id + 1 for an RMW's write
    event *ev
    int32_t stride    # threads that the program may have: the length of a clock
    uint16_t *porf    # n x stride: porf[id * stride + t]: how many events of thread t are in the porf-prefix of id, itself included
    po_thread *th
    location *loc
    int32_t ntouched
    int32_t *touched  # the locations that have been accessed (and perhaps are no longer): a scene has many that never are
    uint8_t has_init  # the locations' initial values are there

# ---- what models ask ----

cdef inline bint reads(const event *e) noexcept nogil:
    return e.kind & EV_READ

cdef inline bint writes(const event *e) noexcept nogil:
    return e.kind & EV_WRITE

cdef inline bint in_prefix(const mk_graph *g, int32_t a, int32_t b) noexcept nogil:
    """Is *a* in the porf-prefix of *b* (or b itself)?"""
    return g.ev[a].index < g.porf[<size_t>b * g.stride + g.ev[a].thread]

cdef inline int32_t rank_of(const mk_graph *g, int32_t w) noexcept nogil:
    """A write's place in its location's coherence order; the initial one's is -1."""
    return -1 if w == INIT else g.ev[w].rank

cdef inline int32_t co_next(const mk_graph *g, int32_t loc, int32_t w) noexcept nogil:
    """The next write in coherence after *w* (INIT: the first), NONE at the end."""
    cdef int32_t rank = rank_of(g, w) + 1
    return g.loc[loc].co[rank] if rank < g.loc[loc].nco else NONE

cdef inline int32_t co_last(const mk_graph *g, int32_t loc) noexcept nogil:
    """The last write in coherence, or INIT."""
    return g.loc[loc].co[g.loc[loc].nco - 1] if g.loc[loc].nco else INIT

cdef inline int32_t po_prev(const mk_graph *g, int32_t id) noexcept nogil:
    """The event before *id* in program order, or NONE."""
    return g.th[g.ev[id].thread].ev[g.ev[id].index - 1] if g.ev[id].index else NONE

# ---- what the explorer does ----

cdef enum:
    KEEP_EVENT = 1
    KEEP_WRITE = 2

cdef mk_graph *graph_new(int32_t nthreads, int32_t nlocs, const uint64_t *init) except NULL nogil
cdef void graph_free(mk_graph *g) noexcept nogil
# Make *to* a copy of *g* without the events for which keep[id] lacks KEEP_EVENT; an RMW without KEEP_WRITE is pending again. Ids close up.
cdef int graph_copy(mk_graph *to, const mk_graph *g, const uint8_t *keep) except -1 nogil
# Add an event at the end of its thread, its clock with it; a read is listed, and reads e.rf. A write has no place in coherence yet.
cdef int32_t graph_append(mk_graph *g, const event *e) except -1 nogil
cdef int graph_write_half(mk_graph *g, int32_t id, uint64_t value) except -1 nogil  # of an RMW: no place in coherence yet
cdef void graph_truncate(mk_graph *g, int32_t norder) noexcept nogil  # take the latest additions back
cdef void graph_set_rf(mk_graph *g, int32_t r, int32_t w) noexcept nogil  # and the clock; r is the last of its thread
cdef int graph_place(mk_graph *g, int32_t id, int32_t rank) except -1 nogil
cdef void graph_unplace(mk_graph *g, int32_t id) noexcept nogil
cdef int graph_note(mk_graph *g, int32_t thread, const note *n) except -1 nogil
cdef void graph_drop_notes(mk_graph *g, int32_t thread, int32_t pos) noexcept nogil  # those after more than pos events
