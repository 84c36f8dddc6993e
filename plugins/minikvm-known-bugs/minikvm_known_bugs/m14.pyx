# cython: language_level=3
"""M14: the condition is tested before the sleeper is published. A wake-up in between finds nobody to wake."""
from minikvm.core.entry cimport enter_x86, has_wake_event, publish_sleeper, sleep_until_woken
from minikvm.core.native cimport loop_capsule
from minikvm.core.world cimport MK_ABI, mk_ctx, mk_loop, mk_vcpu

from minikvm.kinds import Loop


cdef int block(mk_ctx *c, const mk_loop *l, mk_vcpu *v) except -1 nogil:
    # The bug, not to be repaired: vcpu_block() publishes first.
    if has_wake_event(c, v):
        return 0
    publish_sleeper(c, v)
    return sleep_until_woken(c, v)


cdef mk_loop loop
loop.abi = MK_ABI
loop.size = sizeof(mk_loop)
loop.enter = enter_x86
loop.block = block


class M14(Loop):
    """Known bug: a vCPU that blocks tests for a reason to wake up first, and becomes a sleeper then (P3).

    When it is right: where a block ends by a timer.
    """

    name = "m14"
    arch = "x86"

    def native(self):
        """The mk_loop capsule; its struct is the module's own."""
        return loop_capsule(&loop)
