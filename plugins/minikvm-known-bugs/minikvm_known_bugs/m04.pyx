# cython: language_level=3
"""M04: no barrier between a request's payload and its bit: the strategy breaks the caller's side, the run loop the vCPU's."""
from libc.stdint cimport int32_t, uint32_t, uint64_t
from minikvm.core.bits cimport ctz64
from minikvm.core.entry cimport enter_handled
from minikvm.core.kick cimport make_vcpu_request
from minikvm.core.native cimport loop_capsule, strategy_capsule
from minikvm.core.requests cimport request_pending
from minikvm.core.world cimport (
    MK_ABI, MK_EV_CONSUMED, MK_EV_CONSUME_BEGIN, MK_EV_CONSUME_END, MK_EV_MADE, MK_PT_KICK_MADE, MK_PT_VCPU_CHECK, MK_RELEASE,
    MK_REQ_MASK, MK_REQ_NO_ACTION, mk_clear_bit, mk_ctx, mk_loop, mk_note, mk_point, mk_set_bit, mk_strategy, mk_vcpu)
from minikvm_known_bugs._call cimport call

from minikvm.kinds import Loop, Strategy


cdef int steps(mk_ctx *c, mk_vcpu *v, uint32_t req, uint64_t *mask, int32_t me) except -1 nogil:
    cdef int old
    if not req & MK_REQ_NO_ACTION:
        # The bug, not to be repaired: make_request() without its write barrier. set_bit() orders nothing.
        old = mk_set_bit(c, &v.requests, req & MK_REQ_MASK, b"vcpu.requests")
        mk_note(c, MK_EV_MADE, v, req & MK_REQ_MASK, old)
        mk_point(c, MK_PT_KICK_MADE, v)
    return make_vcpu_request(c, v, req | MK_REQ_NO_ACTION, mask, me)


cdef int dispatch(mk_ctx *c, const mk_strategy *s, uint32_t req, const uint64_t *targets) except -1 nogil:
    return call(c, req, targets, steps)


cdef int handle_requests(mk_ctx *c, mk_vcpu *v) except -1 nogil:
    """handle_requests() of minikvm.core.entry, but for one barrier."""
    cdef uint64_t bits = 0
    cdef int consumed = 0
    cdef unsigned nr
    mk_point(c, MK_PT_VCPU_CHECK, v)
    request_pending(c, v, &bits)
    bits &= ~(c.vm.gate_mask | c.vm.sticky_mask)
    while bits:
        nr = ctz64(bits)
        bits &= bits - 1
        mk_note(c, MK_EV_CONSUME_BEGIN, v, nr, 0)
        mk_clear_bit(c, &v.requests, nr, b"vcpu.requests")
        mk_note(c, MK_EV_CONSUMED, v, nr, 1)
        # The bug, not to be repaired: no barrier after the clear, so what the request is about may have been read before its bit.
        c.vm.machine.handle(c, v, nr)
        consumed += 1
        mk_note(c, MK_EV_CONSUME_END, v, nr, 0)
    return consumed


cdef int enter(mk_ctx *c, const mk_loop *l, mk_vcpu *v) except -1 nogil:
    return enter_handled(c, v, handle_requests(c, v), True, MK_RELEASE)


cdef mk_strategy table
table.abi = MK_ABI
table.size = sizeof(mk_strategy)
table.dispatch = dispatch

cdef mk_loop loop
loop.abi = MK_ABI
loop.size = sizeof(mk_loop)
loop.enter = enter


class M04(Strategy):
    """Known bug: the bit is set without a write barrier after the payload (P6).

    When it is right: under sc and tso, which reorder neither stores nor locked instructions; elsewhere for requests without a payload.
    """

    name = "m04"
    requires = frozenset({"acknowledges"})

    def native(self):
        """The mk_strategy capsule; its struct is the module's own."""
        return strategy_capsule(&table)


class M04Receiver(Loop):
    """Known bug: the payload is read without a barrier after the bit (P6).

    When it is right: under sc and tso, where loads are not reordered; elsewhere for requests without a payload.
    """

    name = "m04"
    arch = "x86"

    def native(self):
        """The mk_loop capsule; its struct is the module's own."""
        return loop_capsule(&loop)
