# cython: language_level=3
"""Following a path. See guide.pyx."""
from libc.stdint cimport int32_t
from minikvm.check.explorer cimport frame, mk_explorer

cdef bint may_have_more(const frame *f) noexcept nogil
cdef void before_answer(frame *f, int32_t pos, int32_t phase) noexcept nogil  # make this answer the next one
cdef double place_of(const mk_explorer *x, int32_t depth, bint end) noexcept nogil
cdef int steer_by_guide(mk_explorer *x) except -1 nogil
cdef int divert_by_guide(mk_explorer *x) except -1 nogil
cdef int rewind(mk_explorer *x) except -1 nogil  # to the root
