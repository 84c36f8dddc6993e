# cython: language_level=3
"""M47: the kick comes first, the request second. The vCPU leaves, finds nothing, and is in the guest again when the bit is set."""
from libc.stdint cimport int32_t, uint32_t, uint64_t
from minikvm.core.kick cimport get_cpu, kick, put_cpu
from minikvm.core.native cimport strategy_capsule
from minikvm.core.requests cimport make_request
from minikvm.core.world cimport MK_ABI, MK_REQ_NO_ACTION, mk_ctx, mk_strategy, mk_vcpu
from minikvm_known_bugs._call cimport each_target

from minikvm.kinds import Strategy


cdef int steps(mk_ctx *c, mk_vcpu *v, uint32_t req, uint64_t *mask, int32_t me) except -1 nogil:
    cdef int sent = kick(c, v) == 2  # The bug, not to be repaired: nobody kicks after the bit.
    if not req & MK_REQ_NO_ACTION:
        make_request(c, req, v)
    return sent


cdef int dispatch(mk_ctx *c, const mk_strategy *s, uint32_t req, const uint64_t *targets) except -1 nogil:
    cdef int32_t me = get_cpu(c)
    cdef int sent = each_target(c, req, targets, steps, NULL, me)
    put_cpu(c)
    return sent > 0


cdef mk_strategy table
table.abi = MK_ABI
table.size = sizeof(mk_strategy)
table.dispatch = dispatch


class M47(Strategy):
    """Known bug: kvm_vcpu_kick() before kvm_make_request() (P1).

    When it is right: for calls of the vCPU's own thread. It cannot wait.
    """

    name = "m47"
    requires = frozenset({"acknowledges"})

    def native(self):
        """The mk_strategy capsule; its struct is the module's own."""
        return strategy_capsule(&table)
