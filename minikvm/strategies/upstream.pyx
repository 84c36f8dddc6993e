"""The form that was merged: walk the set bits, make the request, look at the mode, and only then at the cpu."""
from libc.stdint cimport uint32_t, uint64_t
from minikvm.core.kick cimport make_all_cpus_request, make_vcpus_request_mask
from minikvm.core.native cimport strategy_capsule
from minikvm.core.world cimport MK_ABI, mk_ctx, mk_strategy

from minikvm.kinds import Strategy


cdef int dispatch(mk_ctx *c, const mk_strategy *s, uint32_t req, const uint64_t *targets) except -1 nogil:
    if targets == NULL:
        return make_all_cpus_request(c, req)
    return make_vcpus_request_mask(c, req, targets)


cdef mk_strategy table
table.abi = MK_ABI
table.size = sizeof(mk_strategy)
table.dispatch = dispatch


class Upstream(Strategy):
    """Linux KVM's own: a walk over the set bits, one IPI mask per pCPU, one send. The default.

    Source: virt/kvm/kvm_main.c, kvm_make_vcpus_request_mask(), kvm_make_all_cpus_request() and kvm_make_vcpu_request(), Linux v6.18.

    When it is right: always; it holds under every memory model, with any number of requesters. Cost: two locked operations a
    target (the bit, the mode), and nothing for a vCPU that is no target; the preallocated mask is cleared once a call.
    """

    name = "upstream"
    requires = frozenset({"acknowledges"})

    def native(self):
        """The mk_strategy capsule; its struct is the module's own."""
        return strategy_capsule(&table)
