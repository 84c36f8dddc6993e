# cython: language_level=3
"""What a graph says of entries, walks and calls: found by their notes, joined to events by position."""
from libc.stdint cimport int32_t, uint32_t, uint64_t
from minikvm.check.graph cimport event, mk_graph, note
from minikvm.check.judge cimport finding
from minikvm.check.model cimport mk_model
from minikvm.check.models._hb cimport hb_clocks
from minikvm.check.scene cimport call, scene

cdef struct judging:
    const scene *s
    const mk_model *m
    const mk_graph *g
    uint32_t wanted
    bint clocks_there
    hb_clocks clocks
    finding *out
    int n

cdef enum:
    NONE_YET = -3      # an event that is not there

cdef struct stay:          # one guest entry (or walk) of a vCPU; ids of events
    int32_t thread
    int32_t vcpu
    int32_t began      # the store of mode that began it
    int32_t check      # the last check's read of the requests
    int32_t ended      # the store of mode that ended it
    int32_t at         # index of the event before which it was committed
    bint walk

cdef struct made_call:     # one call of an initiator
    int32_t thread
    int32_t number
    int32_t begin      # index of its first event
    int32_t end        # one past its last; the thread's length where it has not returned
    int32_t note_begin
    int32_t note_end
    bint returned
    uint64_t targets


cdef inline int32_t loc_of(const scene *s, int location_class, int32_t index) noexcept nogil:
    return s.base[location_class] + index


cdef int found(judging *j, int32_t property, int32_t thread, int32_t index, int32_t vcpu, int32_t number, int32_t other) noexcept nogil
cdef bint ordered(judging *j, int32_t a, int32_t b) except -1 nogil
cdef bint ordered_after(judging *j, int32_t a, int32_t b) except -1 nogil
cdef int32_t next_write(const mk_graph *g, int32_t t, int32_t index, int32_t loc) noexcept nogil
cdef int32_t last_read(const mk_graph *g, int32_t t, int32_t from_index, int32_t index, int32_t loc) noexcept nogil
cdef bint next_stay(const judging *j, int32_t t, int32_t *at, stay *out) noexcept nogil
cdef int32_t last_write_before(const mk_graph *g, int32_t t, int32_t index, int32_t loc) noexcept nogil
cdef int32_t end_of(const judging *j, int32_t t, int32_t at, int32_t mode) noexcept nogil
cdef const note *next_note(const judging *j, const made_call *c, int32_t *at) noexcept nogil
cdef bint is_own(const judging *j, const made_call *c, int32_t index) noexcept nogil
cdef bint next_call(const judging *j, int32_t t, int32_t *at, made_call *out) noexcept nogil
cdef int32_t next_read(const mk_graph *g, int32_t t, int32_t index, int32_t loc) noexcept nogil
