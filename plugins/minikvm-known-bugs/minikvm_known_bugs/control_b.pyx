# cython: language_level=3
"""Control B: a target that was woken is done, although the call waits. It looks like a bug, and is none."""
from libc.stdint cimport int32_t, uint32_t, uint64_t
from minikvm.core.kick cimport make_vcpu_request, wake_up
from minikvm.core.native cimport strategy_capsule
from minikvm.core.requests cimport make_request
from minikvm.core.world cimport MK_ABI, MK_REQ_NO_ACTION, MK_REQ_NO_WAKEUP, mk_ctx, mk_strategy, mk_vcpu
from minikvm_known_bugs._call cimport call

from minikvm.kinds import Strategy


cdef int steps(mk_ctx *c, mk_vcpu *v, uint32_t req, uint64_t *mask, int32_t me) except -1 nogil:
    if not req & MK_REQ_NO_ACTION:
        make_request(c, req, v)
    if not req & MK_REQ_NO_WAKEUP and wake_up(c, v):
        return 0  # even with WAIT: who was asleep is not in the guest, and passes its last check, with the bit set, before it is
    return make_vcpu_request(c, v, req | MK_REQ_NO_ACTION | MK_REQ_NO_WAKEUP, mask, me)


cdef int dispatch(mk_ctx *c, const mk_strategy *s, uint32_t req, const uint64_t *targets) except -1 nogil:
    return call(c, req, targets, steps)


cdef mk_strategy table
table.abi = MK_ABI
table.size = sizeof(mk_strategy)
table.dispatch = dispatch


class ControlB(Strategy):
    """Control: an early return after a wake-up, with WAIT. Right.

    When it is right: always; `upstream` does the same.
    """

    name = "control-b"
    requires = frozenset({"acknowledges"})

    def native(self):
        """The mk_strategy capsule; its struct is the module's own."""
        return strategy_capsule(&table)
