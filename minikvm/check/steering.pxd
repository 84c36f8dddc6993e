# cython: language_level=3
"""How an exploration is run: in slices, from a path, in parts, at random. For programs and scenes alike."""
from libc.stdint cimport int32_t, int64_t, uint64_t
from minikvm.check.explorer cimport mk_explorer

cdef class Steered:
    cdef mk_explorer *x
    cdef bint python           # its threads run with the GIL held
    cdef int64_t slice_graphs  # between two looks at the clock
    cdef uint64_t state[2]     # of the random numbers
    cdef double weight         # of the last walk: the natural logarithm
    cdef double covered        # of parts that are done
    cdef bint ended
    cdef double place(self, bint end)
    cdef int set_guide(self, path, int32_t fixed, bint after, bint strict) except -1
