# cython: language_level=3
"""M30: mode = OUTSIDE_GUEST_MODE without release at the end of a shadow walk. The walk's reads may still be under way."""
from minikvm.core.entry cimport enter_x86, walk_steps
from minikvm.core.native cimport loop_capsule
from minikvm.core.world cimport MK_ABI, MK_RELAXED, mk_ctx, mk_loop, mk_vcpu

from minikvm.kinds import Loop


cdef int walk(mk_ctx *c, const mk_loop *l, mk_vcpu *v) except -1 nogil:
    return walk_steps(c, v, MK_RELAXED)  # The bug, not to be repaired: who sees OUTSIDE may free the pages.


cdef mk_loop loop
loop.abi = MK_ABI
loop.size = sizeof(mk_loop)
loop.enter = enter_x86
loop.walk = walk


class M30(Loop):
    """Known bug: a shadow walk ends with a store of the mode that has no release (P4).

    When it is right: under sc and tso, where no load is overtaken by a store that follows it.
    """

    name = "m30"
    arch = "x86"

    def native(self):
        """The mk_loop capsule; its struct is the module's own."""
        return loop_capsule(&loop)
