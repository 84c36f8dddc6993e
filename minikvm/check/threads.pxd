# cython: language_level=3
"""Threads written as Python functions."""
from libc.stdint cimport int32_t, uint64_t
from minikvm.check.coroutines cimport Coroutine
from minikvm.check.explorer cimport mk_explorer
from minikvm.check.graph cimport event

cdef class Operations:
    cdef object function
    cdef dict locations
    cdef str order
    cdef readonly Coroutine coroutine
    cdef mk_explorer *x
    cdef int32_t t
    cdef int run(self, mk_explorer *x, int32_t t) except -1
    cdef event begin(self, int kind, loc, order) except *
    cdef uint64_t step(self, event *e) except? 0
