"""Native loops for minikvm's own tests and measurements: what Python cannot do without the GIL."""
from libc.stdint cimport uint32_t, uint64_t
from libc.stdlib cimport free, malloc

from minikvm.core.bitmap cimport (
    Bitmap,
    bm_find_first,
    bm_find_next,
    bm_iter,
    bm_iter_begin,
    bm_iter_next,
    bm_test_and_clear_atomic,
    bm_test_and_set_atomic,
    new_like,
)
from minikvm.core.cpumask cimport CpuMask, cpumask_take_group
from minikvm.core.hdr cimport Histogram, hdr_borrow, hdr_record


def hammer_set(Bitmap bitmap not None):
    """Race for each bit in turn with test_and_set, without the GIL; how many bits this caller was the one to set."""
    cdef unsigned bit, won = 0
    with nogil:
        for bit in range(bitmap.nbits):
            won += not bm_test_and_set_atomic(bitmap.words, bit)
    return won


def hammer_clear(Bitmap bitmap not None):
    """Race for each bit in turn with test_and_clear, without the GIL; how many bits this caller was the one to clear."""
    cdef unsigned bit, won = 0
    with nogil:
        for bit in range(bitmap.nbits):
            won += bm_test_and_clear_atomic(bitmap.words, bit)
    return won


def hammer_own(Bitmap bitmap not None, unsigned bit, unsigned rounds):
    """Set and clear *bit*, which nobody else touches, *rounds* times without the GIL; how often it was not as left.

    Other callers do the same to the other bits of the word: an update that is no single step loses some of these.
    """
    cdef unsigned _i, surprises = 0
    if bit >= bitmap.nbits:
        raise IndexError(f"bit {bit}: expected 0..{bitmap.nbits - 1}")
    with nogil:
        for _i in range(rounds):
            surprises += bm_test_and_set_atomic(bitmap.words, bit)
            surprises += not bm_test_and_clear_atomic(bitmap.words, bit)
    return surprises


def walk_by_find(Bitmap bitmap not None, unsigned rounds=1):
    """The sum of the set bits, times *rounds*, walked with bm_find_next."""
    cdef uint64_t total = 0
    cdef unsigned _i, bit
    with nogil:
        for _i in range(rounds):
            bit = bm_find_first(bitmap.words, bitmap.nbits)
            while bit < bitmap.nbits:
                total += bit
                bit = bm_find_next(bitmap.words, bitmap.nbits, bit + 1)
    return total


def walk_by_word(Bitmap bitmap not None, unsigned rounds=1):
    """The sum of the set bits, times *rounds*, walked with bm_iter."""
    cdef uint64_t total = 0
    cdef unsigned _i, bit = 0
    cdef bm_iter it
    with nogil:
        for _i in range(rounds):
            it = bm_iter_begin(bitmap.words, bitmap.nbits)
            while bm_iter_next(&it, &bit):
                total += bit
    return total


def take_groups(CpuMask mask not None, group_of):
    """``[(group, mask)]`` as cpumask_take_group splits it, in the order taken."""
    cdef CpuMask rest = mask.copy(), taken
    cdef uint32_t group = 0
    cdef unsigned cpu
    cdef uint32_t *table
    if len(group_of) != mask.nbits:
        raise ValueError(f"group_of has {len(group_of)} entries: expected {mask.nbits}")
    table = <uint32_t *>malloc(max(mask.nbits, 1) * sizeof(uint32_t))
    if table == NULL:
        raise MemoryError
    found = []
    try:
        for cpu in range(mask.nbits):
            table[cpu] = group_of[cpu]
        while True:
            taken = new_like(mask)
            if not cpumask_take_group(rest.words, taken.words, mask.nbits, table, &group):
                return found
            found.append((group, taken))
    finally:
        free(table)


def record_borrowed(Histogram histogram not None, values):
    """Record *values* natively through a second Histogram that borrows the struct of *histogram*; returns that one."""
    cdef Histogram borrowed = hdr_borrow(histogram.h, histogram)
    cdef uint64_t value
    for value in values:
        hdr_record(borrowed.h, value)
    return borrowed


def record_range(Histogram histogram not None, uint64_t first, uint64_t last):
    """Record first .. last - 1 without the GIL."""
    cdef uint64_t value
    with nogil:
        value = first
        while value < last:
            hdr_record(histogram.h, value)
            value += 1
