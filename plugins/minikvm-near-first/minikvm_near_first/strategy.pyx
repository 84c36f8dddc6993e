# cython: language_level=3
"""The strategy near-first: one send for each NUMA node, the sender's own first."""
from libc.stdint cimport int32_t, uint32_t, uint64_t
from libc.string cimport memset
from minikvm.core.bits cimport ctz64
from minikvm.core.kick cimport get_cpu, get_vcpu, kick_mask, make_vcpu_request, put_cpu, send_call
from minikvm.core.native cimport strategy_capsule
from minikvm.core.world cimport MK_ABI, MK_PT_IPI_AWAIT, MK_REQ_WAIT, mk_ctx, mk_point, mk_strategy, mk_vcpu

from minikvm.kinds import Strategy


cdef inline uint32_t distance(uint32_t a, uint32_t b) noexcept nogil:
    return a - b if a > b else b - a


cdef bint nearest_node(mk_ctx *c, const uint64_t *rest, uint32_t home, uint32_t *node) noexcept nogil:
    """The node of *rest* that is nearest to *home*; False when *rest* is empty."""
    cdef bint found = False
    cdef uint32_t w, at
    cdef uint64_t word
    for w in range(c.vm.mask_words):
        word = rest[w]
        while word:
            at = c.vm.node_of[w * 64 + ctz64(word)]
            word &= word - 1
            if not found or distance(at, home) < distance(node[0], home):
                found = True
                node[0] = at
    return found


cdef void move_node(mk_ctx *c, uint64_t *rest, uint64_t *group, uint32_t node) noexcept nogil:
    """Move the pCPUs of *node* from *rest* to *group*."""
    cdef uint32_t w
    cdef uint64_t word
    memset(group, 0, c.vm.mask_words * sizeof(uint64_t))
    for w in range(c.vm.mask_words):
        word = rest[w]
        while word:
            if c.vm.node_of[w * 64 + ctz64(word)] == node:
                group[w] |= word & (0 - word)
            word &= word - 1
        rest[w] &= ~group[w]


cdef int dispatch(mk_ctx *c, const mk_strategy *s, uint32_t req, const uint64_t *targets) except -1 nogil:
    """targets: a bitmap of vcpu_words words, NULL for all. 1 when an IPI was sent."""
    cdef int32_t me = get_cpu(c)
    # Both belong to this pCPU or context, not to the C stack: other threads may look at them while an IPI is in flight.
    cdef uint64_t *mask = kick_mask(c)
    cdef uint64_t *group = c.scratch
    cdef bint wait = (req & MK_REQ_WAIT) != 0
    cdef uint32_t home = c.vm.node_of[me] if me >= 0 else 0
    cdef uint32_t node = 0
    cdef uint32_t w
    cdef uint64_t word
    cdef mk_vcpu *v
    cdef int called = 0
    for w in range(c.vm.vcpu_words):
        word = targets[w] if targets != NULL else ~(<uint64_t>0)
        while word:
            v = get_vcpu(c.vm, w * 64 + ctz64(word))
            word &= word - 1
            if v is not NULL:  # a hole in the table, or past its end
                c.visited += 1
                make_vcpu_request(c, v, req, mask, me)
    while nearest_node(c, mask, home, &node):
        move_node(c, mask, group, node)
        send_call(c, group, wait)
        called = 1
    if called and wait:  # once for all nodes, so that they leave the guest at the same time
        mk_point(c, MK_PT_IPI_AWAIT, NULL)
        c.vm.machine.call_wait(c)
    put_cpu(c)
    return called


# The table lives as long as the module, which is what the capsule needs. Members that are not set are NULL: the core's own way.
cdef mk_strategy table
table.abi = MK_ABI
table.size = sizeof(mk_strategy)
table.dispatch = dispatch


class NearFirst(Strategy):
    """One send for each NUMA node, the sender's own node first, then the nearest.

    When it is right: always; the requests are made as `upstream` makes them, only the sends differ. It pays on hosts with several
    nodes and targets on most of them. Cost: the mask is looked through twice for each node in it.
    """

    name = "near-first"
    requires = frozenset({"acknowledges"})

    def native(self):
        """The mk_strategy capsule; its struct is the module's own."""
        return strategy_capsule(&table)
