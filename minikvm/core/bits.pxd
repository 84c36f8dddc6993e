# cython: language_level=3
"""One idiom: walk the set bits of a word."""
from libc.stdint cimport uint64_t

cdef extern from *:
    int ctz64 "__builtin_ctzll"(unsigned long long) noexcept nogil
    int popcount64 "__builtin_popcountll"(unsigned long long) noexcept nogil
