# cython: language_level=3
"""M09: a plain kick for an event that is no request. Outside of guest mode the kick does nothing, and the last check looks at requests."""
from libc.stdint cimport int32_t, uint32_t, uint64_t
from minikvm.core.kick cimport get_cpu, kick, put_cpu
from minikvm.core.native cimport strategy_capsule
from minikvm.core.world cimport MK_ABI, mk_ctx, mk_strategy, mk_vcpu
from minikvm_known_bugs._call cimport each_target

from minikvm.kinds import Strategy


cdef int steps(mk_ctx *c, mk_vcpu *v, uint32_t req, uint64_t *mask, int32_t me) except -1 nogil:
    return kick(c, v) == 2  # The bug, not to be repaired: no request, so a vCPU between its look at the event and its entry never knows.


cdef int dispatch(mk_ctx *c, const mk_strategy *s, uint32_t req, const uint64_t *targets) except -1 nogil:
    cdef int32_t me = get_cpu(c)
    cdef int sent = each_target(c, req, targets, steps, NULL, me)
    put_cpu(c)
    return sent > 0


cdef mk_strategy table
table.abi = MK_ABI
table.size = sizeof(mk_strategy)
table.dispatch = dispatch


class M09(Strategy):
    """Known bug: kvm_vcpu_kick() without a request (P1). For workload lines with no_action.

    When it is right: where all that is wanted is that the vCPU leaves the guest once if it is there.
    """

    name = "m09"
    requires = frozenset({"acknowledges"})

    def native(self):
        """The mk_strategy capsule; its struct is the module's own."""
        return strategy_capsule(&table)
