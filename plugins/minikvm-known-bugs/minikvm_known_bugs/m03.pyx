# cython: language_level=3
"""M03: WAIT is lost on the way to the helper. The call returns when the IPIs are sent, though its caller relies on their arrival."""
from libc.stdint cimport uint32_t, uint64_t
from minikvm.core.kick cimport make_all_cpus_request, make_vcpus_request_mask
from minikvm.core.native cimport strategy_capsule
from minikvm.core.world cimport MK_ABI, MK_REQ_WAIT, mk_ctx, mk_strategy

from minikvm.kinds import Strategy


cdef int dispatch(mk_ctx *c, const mk_strategy *s, uint32_t req, const uint64_t *targets) except -1 nogil:
    req &= ~MK_REQ_WAIT  # The bug, not to be repaired.
    if targets == NULL:
        return make_all_cpus_request(c, req)
    return make_vcpus_request_mask(c, req, targets)


cdef mk_strategy table
table.abi = MK_ABI
table.size = sizeof(mk_strategy)
table.dispatch = dispatch


class M03(Strategy):
    """Known bug: a call that waits does not (P2).

    When it is right: for requests without WAIT.
    """

    name = "m03"
    requires = frozenset({"acknowledges"})

    def native(self):
        """The mk_strategy capsule; its struct is the module's own."""
        return strategy_capsule(&table)
