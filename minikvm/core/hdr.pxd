"""HDR histograms of 64-bit values (latencies in ns): the C API. A record is about 40 x86-64 instructions, none of them locked.

After the HdrHistogram of Gil Tene (http://hdrhistogram.org): a value falls into one of 128 equal buckets of its power of
two, so that a bucket is at most 1/128 (0.79 %) of its lowest value wide. Values below 256 have a bucket each. Values from
HDR_LIMIT (2**42, 73 minutes in ns) on share the last bucket; count, sum, min and max are exact for every value.

One thread records into a histogram; others may read it at the same time (each field by itself is whole). A struct
that is all zero is an empty histogram.
"""
from libc.stdint cimport uint64_t


cdef extern from *:
    """
    #ifndef MINIKVM_HDR_OPS
    #define MINIKVM_HDR_OPS
    #include <stdint.h>
    #define MK_HDR_BITS 7                                  /* 2**7 buckets for each power of two: the error, 1/128 */
    #define MK_HDR_TOP 42                                  /* values from 2**42 on share the last bucket */
    #define MK_HDR_HALF (1u << MK_HDR_BITS)
    #define MK_HDR_BUCKETS (MK_HDR_HALF * (MK_HDR_TOP - MK_HDR_BITS + 1))
    struct mk_hdr {
        uint64_t count, sum_low, sum_high;
        uint64_t below_min;                                /* ~min, so that all zero is the empty histogram */
        uint64_t max;
        uint64_t buckets[MK_HDR_BUCKETS];
    };
    static inline unsigned mk_hdr_index(uint64_t value)
    {
        if (value >> MK_HDR_TOP)
            return MK_HDR_BUCKETS - 1;
        /* | HALF: values below 2**7 use the first power's scale, in which a bucket is one value wide */
        unsigned shift = 63 - MK_HDR_BITS - (unsigned)__builtin_clzll(value | MK_HDR_HALF);
        return shift * MK_HDR_HALF + (unsigned)(value >> shift);
    }
    static inline uint64_t mk_hdr_lowest(unsigned index)
    {
        unsigned shift = index < 2 * MK_HDR_HALF ? 0 : index / MK_HDR_HALF - 1;
        return (uint64_t)(index - shift * MK_HDR_HALF) << shift;
    }
    static inline uint64_t mk_hdr_read(const uint64_t *field) { return __atomic_load_n(field, __ATOMIC_RELAXED); }
    /* The one writer needs no locked instruction, only stores that a reader cannot see half done. */
    static inline void mk_hdr_write(uint64_t *field, uint64_t value) { __atomic_store_n(field, value, __ATOMIC_RELAXED); }
    static inline void mk_hdr_add(uint64_t *field, uint64_t value) { mk_hdr_write(field, mk_hdr_read(field) + value); }
    static inline void mk_hdr_record_value(struct mk_hdr *h, uint64_t value)
    {
        uint64_t low = h->sum_low + value;
        mk_hdr_add(&h->buckets[mk_hdr_index(value)], 1);
        mk_hdr_add(&h->count, 1);
        if (__builtin_expect(low < value, 0))
            mk_hdr_add(&h->sum_high, 1);
        mk_hdr_write(&h->sum_low, low);
        if (~value > h->below_min)
            mk_hdr_write(&h->below_min, ~value);
        if (value > h->max)
            mk_hdr_write(&h->max, value);
    }
    #endif
    """
    cdef struct mk_hdr:
        uint64_t count
        uint64_t sum_low         # the sum of all values, 128 bits
        uint64_t sum_high
        uint64_t below_min       # ~min: 0 when nothing was recorded
        uint64_t max
        uint64_t buckets[1]      # HDR_BUCKETS of them
    const unsigned HDR_BUCKETS "MK_HDR_BUCKETS"
    const unsigned HDR_BITS "MK_HDR_BITS"
    const unsigned HDR_TOP "MK_HDR_TOP"
    unsigned hdr_index "mk_hdr_index"(uint64_t value) noexcept nogil        # the bucket of a value
    uint64_t hdr_lowest "mk_hdr_lowest"(unsigned index) noexcept nogil      # the lowest value of a bucket; of HDR_BUCKETS: 2**42
    uint64_t hdr_read "mk_hdr_read"(const uint64_t *field) noexcept nogil
    void hdr_add "mk_hdr_add"(uint64_t *field, uint64_t value) noexcept nogil
    void hdr_write "mk_hdr_write"(uint64_t *field, uint64_t value) noexcept nogil
    void hdr_record "mk_hdr_record_value"(mk_hdr *h, uint64_t value) noexcept nogil


cdef inline void hdr_add_sum(mk_hdr *h, uint64_t low, uint64_t high) noexcept nogil:
    cdef uint64_t total = h.sum_low + low
    hdr_add(&h.sum_high, high + (1 if total < low else 0))
    hdr_write(&h.sum_low, total)


cdef inline void hdr_merge(mk_hdr *into, const mk_hdr *other) noexcept nogil:
    """Add *other*'s values to *into*; the caller is the writer of *into*."""
    cdef unsigned i
    cdef uint64_t n, total = 0   # not other.count, which may be one ahead while its writer records
    for i in range(HDR_BUCKETS):
        n = hdr_read(&other.buckets[i])
        if n:
            hdr_add(&into.buckets[i], n)
            total += n
    hdr_add(&into.count, total)
    hdr_add_sum(into, hdr_read(&other.sum_low), hdr_read(&other.sum_high))
    if hdr_read(&other.below_min) > into.below_min:
        hdr_write(&into.below_min, hdr_read(&other.below_min))
    if hdr_read(&other.max) > into.max:
        hdr_write(&into.max, hdr_read(&other.max))


cdef class Histogram:
    cdef mk_hdr *h
    cdef bint borrowed
    cdef object owner   # what keeps a borrowed h alive


cdef Histogram hdr_borrow(mk_hdr *h, object owner)
