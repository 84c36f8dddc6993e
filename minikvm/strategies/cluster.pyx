"""One send for each group of pCPUs: an x2APIC cluster or a NUMA node."""
from libc.stdint cimport int32_t, uint32_t, uint64_t
from libc.string cimport memset
from minikvm.core.bits cimport ctz64
from minikvm.core.kick cimport get_cpu, kick_mask, make_vcpu_request, put_cpu, send_call
from minikvm.core.native cimport strategy_capsule
from minikvm.core.world cimport MK_ABI, MK_PT_IPI_AWAIT, MK_REQ_WAIT, mk_ctx, mk_point, mk_strategy, mk_vcpu
from minikvm.strategies._walk cimport begin_targets, next_target, target_walk

from typing import Literal

from pydantic import Field

from minikvm.kinds import Options as BaseOptions
from minikvm.kinds import Strategy


cdef inline bint take_group(mk_ctx *c, uint64_t *rest, uint64_t *group, const uint32_t *group_of) noexcept nogil:
    """Move the first pCPU of *rest*, and all others of its group, to *group*; False when *rest* is empty."""
    cdef uint32_t first = 0, at, cpu, number
    cdef uint64_t word
    while first < c.vm.mask_words and rest[first] == 0:
        first += 1
    if first == c.vm.mask_words:
        return False
    memset(group, 0, c.vm.mask_words * sizeof(uint64_t))
    number = group_of[first * 64 + ctz64(rest[first])]
    for at in range(first, c.vm.mask_words):
        word = rest[at]
        while word:
            cpu = at * 64 + ctz64(word)
            if group_of[cpu] == number:
                group[at] |= word & (0 - word)
            word &= word - 1
        rest[at] &= ~group[at]
    return True


cdef inline int dispatch_by(mk_ctx *c, uint32_t req, const uint64_t *targets, const uint32_t *group_of) except -1 nogil:
    cdef target_walk t
    cdef mk_vcpu *v
    cdef int32_t me = get_cpu(c)
    cdef uint64_t *mask = kick_mask(c)
    cdef uint64_t *group = c.scratch
    cdef bint wait = (req & MK_REQ_WAIT) != 0
    cdef int called = 0
    t = begin_targets(c, targets)
    v = next_target(c, &t)
    while v is not NULL:
        make_vcpu_request(c, v, req, mask, me)
        v = next_target(c, &t)
    while take_group(c, mask, group, group_of):
        send_call(c, group, wait)
        called = 1
    if called and wait:  # once for all groups, so that they leave the guest at the same time
        mk_point(c, MK_PT_IPI_AWAIT, NULL)
        c.vm.machine.call_wait(c)
    put_cpu(c)
    return called


cdef int dispatch_by_cluster(mk_ctx *c, const mk_strategy *s, uint32_t req, const uint64_t *targets) except -1 nogil:
    return dispatch_by(c, req, targets, c.vm.cluster_of)


cdef int dispatch_by_node(mk_ctx *c, const mk_strategy *s, uint32_t req, const uint64_t *targets) except -1 nogil:
    return dispatch_by(c, req, targets, c.vm.node_of)


cdef mk_strategy by_cluster
by_cluster.abi = MK_ABI
by_cluster.size = sizeof(mk_strategy)
by_cluster.dispatch = dispatch_by_cluster

cdef mk_strategy by_node
by_node.abi = MK_ABI
by_node.size = sizeof(mk_strategy)
by_node.dispatch = dispatch_by_node


class Options(BaseOptions):
    """What makes a group."""

    by: Literal["cluster", "node"] = Field("cluster", description="What one send reaches: an x2APIC cluster of 16, or a NUMA node.")


class Cluster(Strategy):
    """The IPI mask is cut into x2APIC clusters (or NUMA nodes), one send for each.

    Source: arch/x86/kernel/apic/x2apic_cluster.c, __x2apic_send_IPI_mask(), Linux v6.18: in logical mode one write to the ICR
    reaches any of the 16 pCPUs of one cluster.

    When it is right: always; the requests are made as `upstream` makes them, only the send differs. It pays where a send reaches many at
    the price of one, and the targets lie together. Cost: the mask is looked through once for each group in it.
    """

    name = "cluster"
    requires = frozenset({"acknowledges"})
    Options = Options

    def native(self):
        """The mk_strategy capsule; its struct is the module's own."""
        return strategy_capsule(&by_node if self.options.by == "node" else &by_cluster)
