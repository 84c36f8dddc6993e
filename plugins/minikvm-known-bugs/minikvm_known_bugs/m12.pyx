# cython: language_level=3
"""M12: "it is running here" is tested before the wake-up. An interrupt on the pCPU of a vCPU that is about to block wakes nobody."""
from libc.stdint cimport int32_t, uint32_t, uint64_t
from minikvm.core.kick cimport make_vcpu_request, read_cpu
from minikvm.core.native cimport strategy_capsule
from minikvm.core.requests cimport make_request
from minikvm.core.world cimport MK_ABI, MK_RELAXED, MK_REQ_NO_ACTION, mk_ctx, mk_strategy, mk_vcpu
from minikvm_known_bugs._call cimport call

from minikvm.kinds import Strategy


cdef int steps(mk_ctx *c, mk_vcpu *v, uint32_t req, uint64_t *mask, int32_t me) except -1 nogil:
    cdef int32_t cpu = -1
    if not req & MK_REQ_NO_ACTION:
        make_request(c, req, v)
    read_cpu(c, v, MK_RELAXED, &cpu)
    if cpu == me:
        return 0  # The bug, not to be repaired: it is loaded here, and may have tested its condition already, and be about to sleep.
    return make_vcpu_request(c, v, req | MK_REQ_NO_ACTION, mask, me)


cdef int dispatch(mk_ctx *c, const mk_strategy *s, uint32_t req, const uint64_t *targets) except -1 nogil:
    return call(c, req, targets, steps)


cdef mk_strategy table
table.abi = MK_ABI
table.size = sizeof(mk_strategy)
table.dispatch = dispatch


class M12(Strategy):
    """Known bug: nothing is done for a vCPU that is loaded on the caller's pCPU, not even a wake-up (P3).

    When it is right: for calls of the vCPU's own thread. Where a put leaves vcpu.cpu stale (x86), a task on the sleeper's last pCPU loses
    wake-ups too.
    """

    name = "m12"
    requires = frozenset({"acknowledges"})

    def native(self):
        """The mk_strategy capsule; its struct is the module's own."""
        return strategy_capsule(&table)
