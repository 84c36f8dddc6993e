# cython: language_level=3
"""A counting table of tuples of 64-bit values: how often each outcome came out."""
from libc.stdint cimport int32_t, int64_t, uint8_t, uint64_t

cdef struct outcome_table:
    int32_t width     # values in a tuple
    int64_t n
    int64_t capacity  # a power of two
    uint64_t *rows    # capacity x (1 + width): the count (0: free), the values

cdef int outcomes_add(outcome_table *table, const uint64_t *values, uint64_t count) except -1 nogil
cdef void outcomes_free(outcome_table *table) noexcept nogil
cdef object outcomes_as_counter(const outcome_table *table)
cdef bytes outcomes_packed(const outcome_table *table)                # the rows of it that are taken
cdef int outcomes_unpack(outcome_table *table, const uint8_t *rows, size_t size) except -1  # add them. ValueError: rows of another width
