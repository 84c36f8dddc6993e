"""A counting table of tuples of 64-bit values: open addressing, so that an execution's outcome is counted without Python."""
from cpython.bytes cimport PyBytes_FromStringAndSize
from libc.stdint cimport int32_t, int64_t, uint8_t, uint64_t
from libc.stdlib cimport calloc, free
from libc.string cimport memcmp, memcpy

from collections import Counter


cdef uint64_t hashed(const uint64_t *values, int32_t width) noexcept nogil:
    cdef uint64_t h = <uint64_t>0x9E3779B97F4A7C15
    cdef int32_t i
    for i in range(width):
        h = (h ^ values[i]) * <uint64_t>0xFF51AFD7ED558CCD
        h ^= h >> 32
    return h


cdef int grow(outcome_table *table) except -1 nogil:
    cdef outcome_table bigger
    cdef int64_t i
    cdef uint64_t *row
    bigger.width = table.width
    bigger.n = 0
    bigger.capacity = 2 * table.capacity if table.capacity else 64
    bigger.rows = <uint64_t *>calloc(bigger.capacity * (1 + table.width), sizeof(uint64_t))
    if bigger.rows == NULL:
        with gil:
            raise MemoryError("too many different outcomes")
    for i in range(table.capacity):
        row = table.rows + i * (1 + table.width)
        if row[0]:
            outcomes_add(&bigger, row + 1, row[0])
    free(table.rows)
    table[0] = bigger
    return 0


cdef int outcomes_add(outcome_table *table, const uint64_t *values, uint64_t count) except -1 nogil:
    """Count *count* executions with these values."""
    cdef uint64_t *row
    cdef int64_t at
    if 2 * table.n >= table.capacity:
        grow(table)
    at = hashed(values, table.width) & (table.capacity - 1)
    while True:
        row = table.rows + at * (1 + table.width)
        if row[0] == 0:
            memcpy(row + 1, values, table.width * sizeof(uint64_t))
            table.n += 1
            break
        if memcmp(row + 1, values, table.width * sizeof(uint64_t)) == 0:
            break
        at = (at + 1) & (table.capacity - 1)
    row[0] += count
    return 0


cdef void outcomes_free(outcome_table *table) noexcept nogil:
    free(table.rows)
    table.rows = NULL


cdef object outcomes_as_counter(const outcome_table *table):
    counter = Counter()
    cdef int64_t i
    cdef int32_t j
    cdef uint64_t *row
    for i in range(table.capacity):
        row = table.rows + i * (1 + table.width)
        if row[0]:
            counter[tuple([row[1 + j] for j in range(table.width)])] = row[0]
    return counter


cdef bytes outcomes_packed(const outcome_table *table):
    cdef size_t width = (1 + table.width) * sizeof(uint64_t)
    cdef bytes packed = PyBytes_FromStringAndSize(NULL, table.n * width)
    cdef char *to = packed
    cdef int64_t i
    for i in range(table.capacity):
        if table.rows[i * (1 + table.width)]:
            memcpy(to, table.rows + i * (1 + table.width), width)
            to += width
    return packed


cdef int outcomes_unpack(outcome_table *table, const uint8_t *rows, size_t size) except -1:
    cdef size_t width = (1 + table.width) * sizeof(uint64_t)
    cdef size_t i
    cdef uint64_t row[65]
    if size % width or width > sizeof(row):
        raise ValueError(f"outcomes of other observables: {size} bytes are no rows of {width}")
    for i in range(size // width):
        memcpy(row, rows + i * width, width)
        outcomes_add(table, row + 1, row[0])
    return 0
