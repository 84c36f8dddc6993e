# cython: language_level=3
"""M07: requests are tested only before mode = IN_GUEST_MODE. One that comes in between is seen by nobody."""
from minikvm.core.entry cimport abort_entry, begin_entry, handle_requests, run_guest
from minikvm.core.native cimport loop_capsule
from minikvm.core.world cimport MK_ABI, MK_EV_ENTRY_ABORT, MK_RELEASE, mk_ctx, mk_loop, mk_note, mk_vcpu

from minikvm.kinds import Loop


cdef int enter(mk_ctx *c, const mk_loop *l, mk_vcpu *v) except -1 nogil:
    cdef int consumed = handle_requests(c, v)
    begin_entry(c, v, MK_RELEASE)
    # The bug, not to be repaired: last_check() without mode and requests. Only IPIs and a deschedule keep it out of the guest.
    if c.vm.machine.work_pending(c):
        mk_note(c, MK_EV_ENTRY_ABORT, v, 0, 1)
        return abort_entry(c, v, consumed, 0)
    return run_guest(c, v, True)


cdef mk_loop loop
loop.abi = MK_ABI
loop.size = sizeof(mk_loop)
loop.enter = enter


class M07(Loop):
    """Known bug: no look at the requests after mode = IN_GUEST_MODE (P1).

    When it is right: where every request is followed by an IPI, whatever the mode.
    """

    name = "m07"
    arch = "x86"

    def native(self):
        """The mk_loop capsule; its struct is the module's own."""
        return loop_capsule(&loop)
