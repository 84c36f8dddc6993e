# cython: language_level=3
"""M02: WAIT tests "== IN_GUEST" and ignores EXITING. The caller that comes second does not wait for the exit."""
from libc.stdint cimport int32_t, uint32_t, uint64_t
from minikvm.core.kick cimport make_vcpu_request
from minikvm.core.native cimport strategy_capsule
from minikvm.core.world cimport MK_ABI, MK_REQ_WAIT, mk_ctx, mk_strategy, mk_vcpu
from minikvm_known_bugs._call cimport call

from minikvm.kinds import Strategy


cdef int steps(mk_ctx *c, mk_vcpu *v, uint32_t req, uint64_t *mask, int32_t me) except -1 nogil:
    # The bug, not to be repaired: the truth table's column without WAIT, though the send below waits. EXITING says that an IPI is on its
    # way, not that it has arrived (R15).
    return make_vcpu_request(c, v, req & ~MK_REQ_WAIT, mask, me)


cdef int dispatch(mk_ctx *c, const mk_strategy *s, uint32_t req, const uint64_t *targets) except -1 nogil:
    return call(c, req, targets, steps)


cdef mk_strategy table
table.abi = MK_ABI
table.size = sizeof(mk_strategy)
table.dispatch = dispatch


class M02(Strategy):
    """Known bug: a call that waits ignores vCPUs that are EXITING_GUEST_MODE (P2).

    When it is right: with one caller at a time, or where nobody waits; and never against a shadow walk.
    """

    name = "m02"
    requires = frozenset({"acknowledges"})

    def native(self):
        """The mk_strategy capsule; its struct is the module's own."""
        return strategy_capsule(&table)
