# cython: language_level=3
"""Relations over n numbers as matrices of bits: row i holds what i is related to, in `words` words of 64 bits."""
from libc.stdint cimport int32_t, uint64_t
from libc.string cimport memset

cdef extern from *:
    int __builtin_ctzll(unsigned long long) nogil

cdef struct relation:
    int32_t n
    int32_t words
    uint64_t *rows


cdef inline int32_t words_for(int32_t n) noexcept nogil:
    return (n + 63) >> 6


cdef inline uint64_t *row(const relation *r, int32_t i) noexcept nogil:
    return r.rows + <size_t>i * r.words


cdef inline relation relation_at(uint64_t **memory, int32_t n) noexcept nogil:
    """An empty relation in memory that it takes."""
    cdef relation r
    r.n = n
    r.words = words_for(n)
    r.rows = memory[0]
    memory[0] += <size_t>n * r.words
    memset(r.rows, 0, <size_t>n * r.words * sizeof(uint64_t))
    return r


cdef inline void put(uint64_t *set, int32_t i) noexcept nogil:
    set[i >> 6] |= (<uint64_t>1) << (i & 63)


cdef inline bint has(const uint64_t *set, int32_t i) noexcept nogil:
    return set[i >> 6] >> (i & 63) & 1


cdef inline void relate(const relation *r, int32_t a, int32_t b) noexcept nogil:
    put(row(r, a), b)


cdef inline void add_set(uint64_t *set, const uint64_t *other, int32_t words) noexcept nogil:
    cdef int32_t w
    for w in range(words):
        set[w] |= other[w]


cdef inline void keep(uint64_t *set, const uint64_t *other, int32_t words) noexcept nogil:
    """Take away what is not in *other*."""
    cdef int32_t w
    for w in range(words):
        set[w] &= other[w]


cdef inline void add_range(uint64_t *set, int32_t first, int32_t end) noexcept nogil:
    """Add first..end-1."""
    cdef int32_t w
    if first >= end:
        return
    for w in range(first >> 6, ((end - 1) >> 6) + 1):
        set[w] |= ((~<uint64_t>0 if first <= w << 6 else ~<uint64_t>0 << (first & 63))
                   & (~<uint64_t>0 if end >= (w + 1) << 6 else ~(~<uint64_t>0 << (end & 63))))


cdef inline int32_t next_in(const uint64_t *set, int32_t i, int32_t words) noexcept nogil:
    """The smallest element that is at least *i*, or -1."""
    cdef int32_t w = i >> 6
    cdef uint64_t word
    if w >= words:
        return -1
    word = set[w] & (~<uint64_t>0 << (i & 63))
    while not word:
        w += 1
        if w >= words:
            return -1
        word = set[w]
    return (w << 6) + __builtin_ctzll(word)


cdef inline void add_image(uint64_t *into, const uint64_t *set, const relation *r) noexcept nogil:
    """into |= all that the elements of *set* are related to."""
    cdef int32_t i = next_in(set, 0, r.words)
    while i >= 0:
        add_set(into, row(r, i), r.words)
        i = next_in(set, i + 1, r.words)


# Is it acyclic? Then reach (unless NULL) becomes its reflexive and transitive closure, and order (n numbers) a list in which every element
# comes after all that it is related to. work: room for 2 x n numbers.
cdef bint acyclic(const relation *r, const relation *reach, int32_t *order, int32_t *work) noexcept nogil
