# cython: language_level=3
"""The relations of linux-kernel.cat over an execution graph: what lkmm.pyx judges and what races.pyx looks at."""
from libc.stdint cimport int32_t, uint8_t, uint64_t
from minikvm.check.graph cimport mk_graph
from minikvm.check.models._relation cimport relation

cdef enum lk_tag:  # the tags of linux-kernel.bell and lock.cat
    LK_READ = 1
    LK_WRITE = 2
    LK_ACQUIRE = 4
    LK_RELEASE = 8
    LK_RMW = 16
    LK_NORETURN = 32
    LK_PLAIN = 64
    LK_LKR = 128

# An access; an RMW that took place is two, the write right after the read. Threads follow one another, in program order each, so that
# what comes before or after a node in its thread is a range of numbers.
cdef struct lk_node:
    int32_t event
    int32_t loc
    int32_t rank        # a write's place in coherence, of a read its source's
    int32_t first       # the nodes of its thread: first..end-1
    int32_t end
    int32_t next_rmw    # the write of the RMW that reads this write, or -1
    uint8_t tags
    bint unlocks        # UL

cdef struct kernel_graph:
    int32_t n
    int32_t words
    lk_node *node
    int32_t *start      # of events: the first node at or after it in its thread
    uint64_t *marked    # sets of nodes
    uint64_t *is_write
    uint64_t *r4rmb     # reads for which smp_rmb() works: not those of RMWs that return no value
    uint64_t *few       # room for one set
    int32_t *order      # room for 3 x n numbers
    relation strong     # strong-fence
    relation nonrw      # nonrw-fence
    relation fence
    relation wmb
    relation rmb        # fencerel(Rmb), between any accesses
    relation addr       # [Marked]; addr is what is asked for
    relation to         # to-r | to-w | (po-unlock-lock-po & int)
    relation unlock     # po-unlock-lock-po
    relation po_rel
    relation overwrite  # co | fr
    relation rf
    relation rfe
    relation cumul      # cumul-fence*
    relation prop
    relation hb
    relation hbs        # hb*
    relation pb

# The relations that program order, rf and co give, in the scratch of that number; those of lkmm.pxd's kernel_derive() are empty.
# everything_marked: plain accesses count as marked ones.
cdef int kernel_base(kernel_graph *k, const mk_graph *g, int number, bint everything_marked) except -1 nogil


cdef inline void add_inside(uint64_t *set, const uint64_t *other, const lk_node *x, int32_t words, bint inside) noexcept nogil:
    """Add what of *other* is in the thread of *x*; inside = False: what is in other threads."""
    cdef int32_t w
    cdef uint64_t mask
    for w in range(words):
        mask = 0
        if x.first < (w + 1) << 6 and x.end > w << 6:
            mask = ~<uint64_t>0 if x.first <= w << 6 else ~<uint64_t>0 << (x.first & 63)
            if x.end < (w + 1) << 6:
                mask &= ~(~<uint64_t>0 << (x.end & 63))
        set[w] |= other[w] & (mask if inside else ~mask)
