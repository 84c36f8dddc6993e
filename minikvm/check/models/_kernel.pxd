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

# The relations that program order, rf and co give. everything_marked: plain accesses count as marked ones.
cdef int kernel_base(kernel_graph *k, const mk_graph *g, int number, bint everything_marked) except -1 nogil
# cumul-fence*, prop, hb, hb* and pb. False: hb or pb has a cycle.
cdef bint kernel_derive(kernel_graph *k) noexcept nogil
