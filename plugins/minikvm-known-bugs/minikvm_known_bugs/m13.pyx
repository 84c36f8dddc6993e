# cython: language_level=3
"""M13: the test for a sleeper has no barrier before it. It may be made before the event is visible."""
from libc.stdint cimport int32_t, uint32_t, uint64_t
from minikvm.core.kick cimport make_vcpu_request, wake_up
from minikvm.core.native cimport strategy_capsule
from minikvm.core.requests cimport make_request
from minikvm.core.world cimport (
    MK_ABI, MK_RELAXED, MK_REQ_NO_ACTION, MK_REQ_NO_WAKEUP, mk_ctx, mk_load32, mk_strategy, mk_vcpu)
from minikvm_known_bugs._call cimport call

from minikvm.kinds import Strategy


cdef int steps(mk_ctx *c, mk_vcpu *v, uint32_t req, uint64_t *mask, int32_t me) except -1 nogil:
    cdef uint32_t waiting = 0
    if not req & MK_REQ_NO_ACTION:
        make_request(c, req, v)
    if not req & MK_REQ_NO_WAKEUP:
        # The bug, not to be repaired: "does anybody sleep?" ahead of the barrier in wake_up(), to save it.
        mk_load32(c, &v.wait, MK_RELAXED, b"vcpu.wait", &waiting)
        if waiting and wake_up(c, v):
            return 0
    return make_vcpu_request(c, v, req | MK_REQ_NO_ACTION | MK_REQ_NO_WAKEUP, mask, me)


cdef int dispatch(mk_ctx *c, const mk_strategy *s, uint32_t req, const uint64_t *targets) except -1 nogil:
    return call(c, req, targets, steps)


cdef mk_strategy table
table.abi = MK_ABI
table.size = sizeof(mk_strategy)
table.dispatch = dispatch


class M13(Strategy):
    """Known bug: the sleeper is looked for without a barrier after the event (P3).

    When it is right: under sc and tso, where set_bit() is a locked instruction.
    """

    name = "m13"
    requires = frozenset({"acknowledges"})

    def native(self):
        """The mk_strategy capsule; its struct is the module's own."""
        return strategy_capsule(&table)
