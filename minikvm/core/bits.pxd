# cython: language_level=3
"""Two idioms: walk the set bits of a word, and say which way a branch mostly goes."""
from libc.stdint cimport uint64_t

cdef extern from *:
    unsigned ctz64 "(unsigned)__builtin_ctzll"(unsigned long long) noexcept nogil
    int popcount64 "__builtin_popcountll"(unsigned long long) noexcept nogil
    bint unlikely(bint condition) noexcept nogil   # Cython's own macro: the code for it is laid out elsewhere
