"""The vCPU's full barrier becomes a compiler barrier; the kicker pays with one membarrier a call.

Why it is right: the pair of full barriers (R10) forbids that the vCPU misses the bit and the kicker misses IN_GUEST_MODE.
membarrier() puts a full barrier into every sibling thread at some moment between its beginning and its end. If the vCPU stored its
mode before that moment, the kicker reads it afterwards; if not, the vCPU reads the requests after that moment, and the bit was
set before.
The compiler barrier is needed all the same: nothing else keeps the store before the load in the code.
"""
from libc.stdint cimport int32_t, uint32_t, uint64_t
from libc.string cimport memset
from minikvm.core.kick cimport get_cpu, kick_many, kick_mask, mask_cpu, needs_ipi, put_cpu, read_cpu, wake_up
from minikvm.core.native cimport strategy_capsule
from minikvm.core.requests cimport make_request
from minikvm.core.world cimport (
    MK_ABI, MK_BARRIER, MK_RELAXED, MK_REQ_NO_ACTION, MK_REQ_NO_WAKEUP, MK_REQ_WAIT, mk_ctx, mk_fence, mk_strategy, mk_vcpu)
from minikvm.strategies._walk cimport begin_targets, next_target, target_walk

from minikvm.kinds import Strategy


cdef inline int request_all(mk_ctx *c, uint32_t req, const uint64_t *targets, uint64_t *left) except -1 nogil:
    """Make the requests and wake the sleepers; *left* gets those that were not asleep. 1 when there are any."""
    cdef target_walk t = begin_targets(c, targets)
    cdef mk_vcpu *v = next_target(c, &t)
    cdef int any = 0
    memset(left, 0, c.vm.vcpu_words * sizeof(uint64_t))
    while v is not NULL:
        if not req & MK_REQ_NO_ACTION:
            make_request(c, req, v)
        if req & MK_REQ_NO_WAKEUP or not wake_up(c, v):
            left[v.idx >> 6] |= (<uint64_t>1) << (v.idx & 63)
            any = 1
        v = next_target(c, &t)
    return any


cdef inline int kick_left(mk_ctx *c, uint32_t req, const uint64_t *left, uint64_t *mask, int32_t me) except -1 nogil:
    """The second pass: mode, and only then the cpu, as `upstream` does."""
    cdef target_walk t = begin_targets(c, left)
    cdef mk_vcpu *v = next_target(c, &t)
    cdef int32_t cpu = -1
    while v is not NULL:
        if needs_ipi(c, v, req):
            read_cpu(c, v, MK_RELAXED, &cpu)
            mask_cpu(c, v, cpu, me, mask)
        v = next_target(c, &t)
    return 0


cdef int dispatch(mk_ctx *c, const mk_strategy *s, uint32_t req, const uint64_t *targets) except -1 nogil:
    cdef int32_t me = get_cpu(c)
    cdef uint64_t *left = c.scratch + c.vm.mask_words
    cdef uint64_t *mask
    cdef int called = 0
    if request_all(c, req, targets, left):
        c.vm.machine.membarrier(c)  # pairs with enter_barrier(), on every thread that is on its way into the guest
        mask = kick_mask(c)
        kick_left(c, req, left, mask, me)
        called = kick_many(c, mask, (req & MK_REQ_WAIT) != 0)
    put_cpu(c)
    return called


cdef int enter_barrier(mk_ctx *c, const mk_strategy *s, mk_vcpu *v) except -1 nogil:
    """Only the compiler must keep mode = IN_GUEST_MODE before the last check. Pairs with the membarrier in dispatch()."""
    return mk_fence(c, MK_BARRIER, b"vcpu_enter_guest")


cdef mk_strategy table
table.abi = MK_ABI
table.size = sizeof(mk_strategy)
table.dispatch = dispatch
table.enter_barrier = enter_barrier


class Asymmetric(Strategy):
    """The guest entry pays no barrier, the kicker pays for all: one membarrier between the requests and the modes.

    Source: membarrier(2), MEMBARRIER_CMD_PRIVATE_EXPEDITED, and kernel/sched/membarrier.c, Linux v6.18; the idea is that of
    asymmetric Dekker synchronisation (Dice, Huang, Yang, 2001). No hypervisor is known to do it for requests.

    When it is right: always, on Linux; it pays where entries are many and requests few. Cost: each call with a target that is not asleep
    makes a system call that interrupts every pCPU on which a thread of the process runs, targets or not, and the targets are
    walked twice. The shadow walk keeps its own barrier.
    """

    name = "asymmetric"
    requires = frozenset({"acknowledges"})
    uses = frozenset({"membarrier"})

    def native(self):
        """The mk_strategy capsule; its struct is the module's own."""
        return strategy_capsule(&table)
