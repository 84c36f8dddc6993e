"""Bitmaps in 64-bit words: the C API, after the kernel's lib/bitmap.c and lib/find_bit.c.

A bitmap is ``uint64_t *words`` and ``unsigned nbits``: bit ``b`` is bit ``b & 63`` of ``words[b >> 6]``.
Everything here is inline, needs no GIL, allocates nothing and takes no lock; bit numbers are **not** checked.

Bits past ``nbits`` in the last word are kept 0 by every writer and ignored by every reader, so that a stray one (written
through the buffer of a Bitmap) is never reported and never becomes an index. ``find_*`` return ``nbits`` when nothing is found.

Readers load each word once, relaxed: they may run while others change bits atomically, and see each word as it was at
some moment. ``*_atomic`` may be called by any number of threads; all other writers need the bitmap to themselves.

The cheapest walk over set bits holds the current word in a register (it sees each word as it was when reached); it costs
about 8 x86-64 instructions a set bit and 6 an empty word:

    cdef bm_iter it = bm_iter_begin(words, nbits)
    cdef unsigned bit
    while bm_iter_next(&it, &bit):
        ...

The kernel's for_each_set_bit, which reads the word again for each bit (about 16 a set bit), is

    bit = bm_find_first(words, nbits)
    while bit < nbits:
        ...
        bit = bm_find_next(words, nbits, bit + 1)
"""
from libc.stdint cimport uint64_t


cdef extern from *:
    """
    #ifndef MINIKVM_BITMAP_OPS
    #define MINIKVM_BITMAP_OPS
    #include <stdint.h>
    static inline uint64_t mk_word_load(const uint64_t *w) { return __atomic_load_n(w, __ATOMIC_RELAXED); }
    static inline uint64_t mk_word_fetch_or(uint64_t *w, uint64_t v) { return __atomic_fetch_or(w, v, __ATOMIC_SEQ_CST); }
    static inline uint64_t mk_word_fetch_and(uint64_t *w, uint64_t v) { return __atomic_fetch_and(w, v, __ATOMIC_SEQ_CST); }
    static inline void mk_word_or_relaxed(uint64_t *w, uint64_t v) { __atomic_fetch_or(w, v, __ATOMIC_RELAXED); }
    static inline void mk_word_and_relaxed(uint64_t *w, uint64_t v) { __atomic_fetch_and(w, v, __ATOMIC_RELAXED); }
    static inline unsigned mk_word_ctz(uint64_t w) { return (unsigned)__builtin_ctzll(w); }
    static inline unsigned mk_word_weight(uint64_t w) { return (unsigned)__builtin_popcountll(w); }
    static inline uint64_t mk_word_bit(unsigned bit) { return UINT64_C(1) << (bit & 63); }
    static inline uint64_t mk_word_from(unsigned bit) { return ~UINT64_C(0) << (bit & 63); }
    static inline uint64_t mk_word_last(unsigned nbits) { return ~UINT64_C(0) >> (-nbits & 63); }
    #endif
    """
    uint64_t bm_load "mk_word_load"(const uint64_t *w) noexcept nogil             # relaxed
    uint64_t bm_fetch_or "mk_word_fetch_or"(uint64_t *w, uint64_t v) noexcept nogil    # seq_cst
    uint64_t bm_fetch_and "mk_word_fetch_and"(uint64_t *w, uint64_t v) noexcept nogil  # seq_cst
    void bm_or_relaxed "mk_word_or_relaxed"(uint64_t *w, uint64_t v) noexcept nogil
    void bm_and_relaxed "mk_word_and_relaxed"(uint64_t *w, uint64_t v) noexcept nogil
    unsigned bm_ctz "mk_word_ctz"(uint64_t w) noexcept nogil                      # w must not be 0
    unsigned bm_word_weight "mk_word_weight"(uint64_t w) noexcept nogil
    uint64_t bm_bit "mk_word_bit"(unsigned bit) noexcept nogil                    # the bit's place within its word
    uint64_t bm_from "mk_word_from"(unsigned bit) noexcept nogil                  # that place and all above it
    uint64_t bm_last "mk_word_last"(unsigned nbits) noexcept nogil                # the valid bits of the last word; nbits > 0


cdef enum:
    BM_MAX_BITS = 4096   # the largest Bitmap; the functions below have no limit of their own


# ---- one bit ----

cdef inline unsigned bm_words(unsigned nbits) noexcept nogil:
    """How many words hold *nbits* bits."""
    return (nbits + 63) >> 6


cdef inline void bm_set(uint64_t *words, unsigned bit) noexcept nogil:
    words[bit >> 6] |= bm_bit(bit)


cdef inline void bm_clear(uint64_t *words, unsigned bit) noexcept nogil:
    words[bit >> 6] &= ~bm_bit(bit)


cdef inline bint bm_test(const uint64_t *words, unsigned bit) noexcept nogil:
    return (bm_load(words + (bit >> 6)) >> (bit & 63)) & 1


cdef inline void bm_set_atomic(uint64_t *words, unsigned bit) noexcept nogil:
    """The kernel's set_bit(): atomic, orders nothing."""
    bm_or_relaxed(words + (bit >> 6), bm_bit(bit))


cdef inline void bm_clear_atomic(uint64_t *words, unsigned bit) noexcept nogil:
    """The kernel's clear_bit(): atomic, orders nothing."""
    bm_and_relaxed(words + (bit >> 6), ~bm_bit(bit))


cdef inline bint bm_test_and_set_atomic(uint64_t *words, unsigned bit) noexcept nogil:
    """Set the bit and return what it was; atomic, seq_cst."""
    return (bm_fetch_or(words + (bit >> 6), bm_bit(bit)) & bm_bit(bit)) != 0


cdef inline bint bm_test_and_clear_atomic(uint64_t *words, unsigned bit) noexcept nogil:
    """Clear the bit and return what it was; atomic, seq_cst."""
    return (bm_fetch_and(words + (bit >> 6), ~bm_bit(bit)) & bm_bit(bit)) != 0


# ---- find ----

cdef inline unsigned bm_find_next(const uint64_t *words, unsigned nbits, unsigned start) noexcept nogil:
    """The first set bit at or after *start*, else *nbits*."""
    cdef size_t i = start >> 6, end
    cdef uint64_t word
    if start >= nbits:
        return nbits
    word = bm_load(words + i) >> (start & 63)
    if word == 0:
        end = bm_words(nbits)
        while word == 0:
            i += 1
            if i == end:
                return nbits
            word = bm_load(words + i)
        start = <unsigned>(i << 6)
    start += bm_ctz(word)
    return start if start < nbits else nbits


cdef inline unsigned bm_find_next_and(const uint64_t *a, const uint64_t *b, unsigned nbits, unsigned start) noexcept nogil:
    """The first bit at or after *start* that is set in both, else *nbits*."""
    cdef size_t i = start >> 6, end
    cdef uint64_t word
    if start >= nbits:
        return nbits
    word = (bm_load(a + i) & bm_load(b + i)) >> (start & 63)
    if word == 0:
        end = bm_words(nbits)
        while word == 0:
            i += 1
            if i == end:
                return nbits
            word = bm_load(a + i) & bm_load(b + i)
        start = <unsigned>(i << 6)
    start += bm_ctz(word)
    return start if start < nbits else nbits


cdef inline unsigned bm_find_next_andnot(const uint64_t *a, const uint64_t *b, unsigned nbits, unsigned start) noexcept nogil:
    """The first bit at or after *start* that is set in *a* and clear in *b*, else *nbits*."""
    cdef size_t i = start >> 6, end
    cdef uint64_t word
    if start >= nbits:
        return nbits
    word = (bm_load(a + i) & ~bm_load(b + i)) >> (start & 63)
    if word == 0:
        end = bm_words(nbits)
        while word == 0:
            i += 1
            if i == end:
                return nbits
            word = bm_load(a + i) & ~bm_load(b + i)
        start = <unsigned>(i << 6)
    start += bm_ctz(word)
    return start if start < nbits else nbits


cdef inline unsigned bm_find_next_zero(const uint64_t *words, unsigned nbits, unsigned start) noexcept nogil:
    """The first clear bit at or after *start*, else *nbits*."""
    cdef size_t i = start >> 6, end
    cdef uint64_t word
    if start >= nbits:
        return nbits
    word = (~bm_load(words + i)) >> (start & 63)
    if word == 0:
        end = bm_words(nbits)
        while word == 0:
            i += 1
            if i == end:
                return nbits
            word = ~bm_load(words + i)
        start = <unsigned>(i << 6)
    start += bm_ctz(word)
    return start if start < nbits else nbits


cdef inline unsigned bm_find_first(const uint64_t *words, unsigned nbits) noexcept nogil:
    return bm_find_next(words, nbits, 0)


cdef inline unsigned bm_find_first_zero(const uint64_t *words, unsigned nbits) noexcept nogil:
    return bm_find_next_zero(words, nbits, 0)


cdef inline uint64_t bm_word(const uint64_t *words, unsigned nbits, unsigned i) noexcept nogil:
    """Word *i* (which must be < bm_words(nbits)) without the bits past *nbits*."""
    cdef uint64_t word = bm_load(words + i)
    return word if ((i + 1) << 6) <= nbits else word & bm_last(nbits)


cdef inline unsigned bm_next_in_word(uint64_t *word) noexcept nogil:
    """Take the lowest set bit out of *word*, which must not be 0, and return its place, 0..63."""
    cdef unsigned place = bm_ctz(word[0])
    word[0] &= word[0] - 1
    return place


cdef struct bm_iter:
    const uint64_t *words
    uint64_t word        # what is left of the current word
    size_t next          # the word after it
    unsigned nbits
    unsigned base        # the bit number of the current word's bit 0


cdef inline bm_iter bm_iter_begin(const uint64_t *words, unsigned nbits) noexcept nogil:
    """A walk over the set bits, in a register: see the head of this file."""
    cdef bm_iter it
    it.words = words
    it.word = 0
    it.next = 0
    it.nbits = nbits
    it.base = 0
    return it


cdef inline bint bm_iter_next(bm_iter *it, unsigned *bit) noexcept nogil:
    """Put the next set bit into *bit* and return True; False at the end, and again if called after it."""
    if it.word == 0:
        while it.word == 0:
            if it.next < (it.nbits >> 6):
                it.word = bm_load(it.words + it.next)
            elif it.next < bm_words(it.nbits):
                it.word = bm_load(it.words + it.next) & bm_last(it.nbits)
            else:
                return False
            it.next += 1
        it.base = <unsigned>((it.next - 1) << 6)
    bit[0] = it.base + bm_next_in_word(&it.word)
    return True


# ---- whole bitmaps: dst may be one of the sources ----

cdef inline void bm_zero(uint64_t *words, unsigned nbits) noexcept nogil:
    cdef unsigned i
    for i in range(bm_words(nbits)):
        words[i] = 0


cdef inline void bm_fill(uint64_t *words, unsigned nbits) noexcept nogil:
    cdef unsigned i
    for i in range(nbits >> 6):
        words[i] = bm_from(0)
    if nbits & 63:
        words[nbits >> 6] = bm_last(nbits)


cdef inline void bm_copy(uint64_t *dst, const uint64_t *src, unsigned nbits) noexcept nogil:
    cdef unsigned i
    for i in range(bm_words(nbits)):
        dst[i] = bm_word(src, nbits, i)


cdef inline bint bm_and(uint64_t *dst, const uint64_t *a, const uint64_t *b, unsigned nbits) noexcept nogil:
    """dst = a & b; True when dst has a set bit (as bitmap_and() says)."""
    cdef unsigned i
    cdef uint64_t some = 0
    for i in range(bm_words(nbits)):
        dst[i] = bm_word(a, nbits, i) & bm_load(b + i)
        some |= dst[i]
    return some != 0


cdef inline bint bm_andnot(uint64_t *dst, const uint64_t *a, const uint64_t *b, unsigned nbits) noexcept nogil:
    """dst = a & ~b; True when dst has a set bit (as bitmap_andnot() says)."""
    cdef unsigned i
    cdef uint64_t some = 0
    for i in range(bm_words(nbits)):
        dst[i] = bm_word(a, nbits, i) & ~bm_load(b + i)
        some |= dst[i]
    return some != 0


cdef inline void bm_or(uint64_t *dst, const uint64_t *a, const uint64_t *b, unsigned nbits) noexcept nogil:
    cdef unsigned i
    for i in range(bm_words(nbits)):
        dst[i] = bm_word(a, nbits, i) | bm_word(b, nbits, i)


cdef inline void bm_xor(uint64_t *dst, const uint64_t *a, const uint64_t *b, unsigned nbits) noexcept nogil:
    cdef unsigned i
    for i in range(bm_words(nbits)):
        dst[i] = bm_word(a, nbits, i) ^ bm_word(b, nbits, i)


cdef inline void bm_complement(uint64_t *dst, const uint64_t *src, unsigned nbits) noexcept nogil:
    cdef unsigned i
    for i in range(bm_words(nbits)):
        dst[i] = ~bm_load(src + i)
    if nbits & 63:
        dst[nbits >> 6] &= bm_last(nbits)


cdef inline void bm_set_range(uint64_t *words, unsigned start, unsigned count) noexcept nogil:
    """Set bits start .. start + count - 1."""
    cdef unsigned taken
    while count > 0:
        taken = min(64 - (start & 63), count)
        words[start >> 6] |= bm_last(taken) << (start & 63)
        start += taken
        count -= taken


cdef inline void bm_clear_range(uint64_t *words, unsigned start, unsigned count) noexcept nogil:
    """Clear bits start .. start + count - 1."""
    cdef unsigned taken
    while count > 0:
        taken = min(64 - (start & 63), count)
        words[start >> 6] &= ~(bm_last(taken) << (start & 63))
        start += taken
        count -= taken


cdef inline unsigned bm_weight(const uint64_t *words, unsigned nbits) noexcept nogil:
    """How many bits are set."""
    cdef unsigned i, total = 0
    for i in range(bm_words(nbits)):
        total += bm_word_weight(bm_word(words, nbits, i))
    return total


cdef inline bint bm_empty(const uint64_t *words, unsigned nbits) noexcept nogil:
    return bm_find_next(words, nbits, 0) >= nbits


cdef inline bint bm_full(const uint64_t *words, unsigned nbits) noexcept nogil:
    return bm_find_next_zero(words, nbits, 0) >= nbits


cdef inline bint bm_equal(const uint64_t *a, const uint64_t *b, unsigned nbits) noexcept nogil:
    cdef unsigned i
    for i in range(bm_words(nbits)):
        if bm_word(a, nbits, i) != bm_word(b, nbits, i):
            return False
    return True


cdef inline bint bm_intersects(const uint64_t *a, const uint64_t *b, unsigned nbits) noexcept nogil:
    return bm_find_next_and(a, b, nbits, 0) < nbits


cdef inline bint bm_subset(const uint64_t *a, const uint64_t *b, unsigned nbits) noexcept nogil:
    """Is every bit of *a* also in *b*?"""
    return bm_find_next_andnot(a, b, nbits, 0) >= nbits


cdef class Bitmap:
    # No cdef method, on purpose: a class without a method table cannot disagree with the plugin that was built against it.
    cdef uint64_t *words          # 64-byte aligned, never NULL, never moves while the object lives
    cdef readonly unsigned nbits
    cdef readonly unsigned views  # exported buffers
    cdef Py_ssize_t _shape[1]
    cdef Py_ssize_t _strides[1]


cdef unsigned bit_number(object bit, unsigned nbits) except? 0xffffffff
cdef Bitmap new_like(Bitmap like)
