# cython: language_level=3
"""The explorer: TruSt over execution graphs. Programs give it events, a memory model judges graphs; it knows neither."""
from libc.stdint cimport int32_t, int64_t, uint8_t, uint64_t
from minikvm.check.graph cimport event, mk_graph, note
from minikvm.check.model cimport mk_model

cdef enum step_result:
    XR_OK = 0
    XR_BLOCKED = 1  # an await that waits: the thread must stop here
    XR_ENDED = 2
    XR_ABANDON = 3  # this graph leads nowhere (or is somebody else's to explore): the thread must stop here

cdef enum frame_kind:
    FR_READ = 0     # pos: the rank of the write read from
    FR_CHOOSE = 1   # pos: the answer
    FR_WRITE = 2    # phase 0, pos: the rank of its place; phase 1, pos: of the location's reads, the one revisited
    FR_REVISIT = 3  # pos: the rank of the revisiting write's place in the new graph

cdef struct frame:  # a choice, and which answer is in force
    mk_graph *g
    int32_t id
    int32_t r       # FR_REVISIT: the read
    int32_t top     # additions up to the event, itself included
    int32_t pos
    uint8_t kind
    uint8_t phase
    uint8_t owns    # the graph is this frame's own

cdef struct step:   # of a path: a frame's answer. A list of them is the whole state of an exploration.
    int32_t pos
    int32_t phase

cdef struct live_thread:  # what the thread itself has executed; valid for a graph that has the same values
    int32_t pos
    int32_t nnotes
    int32_t capacity
    uint64_t *seen

ctypedef struct mk_explorer
cdef struct mk_program:
    # Run thread t from where its live state is (or from its start, after live_valid() said no) until it must stop. A step_result but XR_OK.
    int (*run)(mk_program *p, mk_explorer *x, int32_t t) except -1 nogil
    # A complete graph, or one in which somebody waits for ever. May be NULL.
    int (*complete)(mk_program *p, mk_explorer *x, bint blocked) except -1 nogil
    void *self

ctypedef struct mk_explorer:
    mk_graph *g       # the current one
    mk_graph *root
    const mk_model *model
    mk_program *program
    int32_t nthreads
    int32_t fault_budget  # of choose events that are faults (event.expected), how many may be non-zero in one graph; -1: any number
    live_thread *live
    int32_t *group        # symmetry reduction: see symmetry.pxd; NULL: none
    frame *stack
    int32_t depth
    int32_t capacity
    int32_t base      # frames below this one are fixed
    step *guide       # answers to give first
    int32_t nguide
    bint strict       # answers of the guide that cannot be given are an error
    bint after        # what comes after the guide's last answer is wanted, not that answer
    # Set: called with each new frame on top. 1: another answer than the first is wanted; the event's thread stops, and divert() gives it.
    int (*steer)(mk_explorer *x) except -1 nogil
    int (*divert)(mk_explorer *x) except -1 nogil  # 0: there is nothing to explore here
    bint diverted
    double began      # place in the tree (steering.pyx) at which the guide ended; -1: not yet
    void *steering    # of whoever set steer
    uint8_t *keep
    int32_t keep_capacity
    mk_graph **pool
    int32_t npool
    int32_t pool_capacity
    uint64_t executions
    uint64_t blocked
    uint64_t discarded  # graphs whose awaits see an old value: not maximal, not counted
    void *owner       # the Python object
    void *priv        # of whoever set program.complete

cdef mk_explorer *explorer_new(const mk_model *model, mk_program *program, int32_t nthreads, int32_t nlocs,
                               const uint64_t *init) except NULL
cdef void explorer_free(mk_explorer *x) noexcept
# A location that nobody has accessed yet gets another initial value, in every graph.
cdef void explorer_init_location(mk_explorer *x, int32_t loc, uint64_t value) noexcept nogil
# Go on for at most n graphs (complete, blocked or abandoned). 1: there is more, 0: exhausted.
cdef int explore_some(mk_explorer *x, int64_t n) except -1 nogil

# ---- for whoever steers an exploration (steering.pyx) ----
cdef int descend(mk_explorer *x) except -1 nogil      # to the end of the current graph; 0: divert() found nothing

# ---- for programs, while they run a thread ----
cdef bint live_valid(mk_explorer *x, int32_t t) noexcept nogil  # else: begin anew; the live state is reset
cdef int x_step(mk_explorer *x, int32_t t, const event *proto, uint64_t *value) except -1 nogil
cdef int x_note(mk_explorer *x, int32_t t, int32_t kind, uint64_t subject, uint64_t a, uint64_t b) except -1 nogil

cdef enum await_condition:
    AWAIT_EQ = 0
    AWAIT_NE = 1
    AWAIT_ANY = 2   # value & operand
    AWAIT_NONE = 3  # not value & operand

cdef enum own_rmw:  # beyond enum mk_rmw_op
    OP_LOCK = 16        # await 0, then 1
    OP_OR_IF = 17       # value | operand where value & expected, else the value again
    OP_TRYLOCK = 18     # 1 where the value is 0, else nothing
    OP_ADD_UNLESS = 19  # value + operand where the value is not expected, else nothing
