"""The merged helper under the old walk: what does the set-bit walk alone bring?"""
from libc.stdint cimport int32_t, uint32_t, uint64_t
from minikvm.core.kick cimport get_cpu, kick_many, kick_mask, make_vcpu_request, put_cpu
from minikvm.core.native cimport strategy_capsule
from minikvm.core.world cimport MK_ABI, MK_NO_VCPU, MK_REQ_WAIT, mk_ctx, mk_strategy, mk_vcpu
from minikvm.strategies._walk cimport next_linear

from minikvm.kinds import Strategy


cdef int dispatch(mk_ctx *c, const mk_strategy *s, uint32_t req, const uint64_t *targets) except -1 nogil:
    cdef mk_vcpu *vcpus = c.vm.vcpus
    cdef size_t n = c.vm.nr_vcpus
    cdef size_t i = next_linear(targets, 0, n)
    cdef int32_t me = get_cpu(c)
    cdef uint64_t *mask = kick_mask(c)
    cdef int called
    c.visited += n
    while i < n:
        if vcpus[i].id != MK_NO_VCPU:
            make_vcpu_request(c, &vcpus[i], req, mask, me)
        i = next_linear(targets, i + 1, n)
    called = kick_many(c, mask, (req & MK_REQ_WAIT) != 0)
    put_cpu(c)
    return called


cdef mk_strategy table
table.abi = MK_ABI
table.size = sizeof(mk_strategy)
table.dispatch = dispatch


class UpstreamLinear(Strategy):
    """The merged helper for each target, but every vCPU of the VM is looked at: a control that isolates the walk.

    Source: the loop of kvm_make_vcpus_request_mask() before Linux 5.16 (kvm_for_each_vcpu() and test_bit()), around
    kvm_make_vcpu_request() as of v6.18.

    When it is right: as a measure beside `upstream`; the result is the same, call by call. Cost: a test of one bit for every vCPU of
    the VM, which is the whole call where few of many are targets.
    """

    name = "upstream-linear"
    requires = frozenset({"acknowledges"})

    def native(self):
        """The mk_strategy capsule; its struct is the module's own."""
        return strategy_capsule(&table)
