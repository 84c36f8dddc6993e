# cython: language_level=3
"""Control A: the early read of vcpu.cpu that the seed question is about, but behind a full barrier. It loses nothing, and is a race."""
from libc.stdint cimport int32_t, uint32_t, uint64_t
from minikvm.core.kick cimport mask_cpu, needs_ipi, read_cpu, wake_up
from minikvm.core.native cimport strategy_capsule
from minikvm.core.requests cimport make_request
from minikvm.core.world cimport (
    MK_ABI, MK_PLAIN, MK_REQ_NO_ACTION, MK_REQ_NO_WAKEUP, MK_SMP_MB, mk_ctx, mk_fence, mk_strategy, mk_vcpu)
from minikvm_known_bugs._call cimport call

from minikvm.kinds import Strategy


cdef int steps(mk_ctx *c, mk_vcpu *v, uint32_t req, uint64_t *mask, int32_t me) except -1 nogil:
    cdef int32_t cpu = -1
    if not req & MK_REQ_NO_ACTION:
        make_request(c, req, v)
    # Pairs with the barriers after the mode store, in guest entry and in shadow walk: an entry that misses the request has stored vcpu.cpu
    # before, and it is seen here.
    mk_fence(c, MK_SMP_MB, b"control_a")
    read_cpu(c, v, MK_PLAIN, &cpu)  # the race that is benign, as far as the compiler does not tear or repeat it
    if not req & MK_REQ_NO_WAKEUP and wake_up(c, v):
        return 0
    # The old order of tests: the mode is not touched for a vCPU that is not loaded, or is loaded here.
    if cpu == -1 or cpu == me or needs_ipi(c, v, req):
        mask_cpu(c, v, cpu, me, mask)
    return 0


cdef int dispatch(mk_ctx *c, const mk_strategy *s, uint32_t req, const uint64_t *targets) except -1 nogil:
    return call(c, req, targets, steps)


cdef mk_strategy table
table.abi = MK_ABI
table.size = sizeof(mk_strategy)
table.dispatch = dispatch


class ControlA(Strategy):
    """Control: request, full barrier, plain early read of vcpu.cpu, mode. Right, but for the race (P10).

    When it is right: always, as far as a compiler makes one load of the plain read.
    """

    name = "control-a"
    requires = frozenset({"acknowledges"})

    def native(self):
        """The mk_strategy capsule; its struct is the module's own."""
        return strategy_capsule(&table)
