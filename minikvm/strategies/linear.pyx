"""Before the patch: look at every vCPU, read vcpu.cpu plainly, allocate the mask in each call."""
from libc.stdint cimport int32_t, uint32_t, uint64_t
from minikvm.core.kick cimport get_cpu, get_vcpu, kick_many, mask_cpu, needs_ipi, put_cpu, read_cpu, wake_up, zalloc_cpumask
from minikvm.core.native cimport strategy_capsule
from minikvm.core.requests cimport make_request
from minikvm.core.world cimport (
    MK_ABI, MK_PLAIN, MK_REQ_NO_ACTION, MK_REQ_NO_WAKEUP, MK_REQ_WAIT, mk_ctx, mk_strategy, mk_vcpu)

from minikvm.kinds import Strategy


cdef int dispatch(mk_ctx *c, const mk_strategy *s, uint32_t req, const uint64_t *targets) except -1 nogil:
    cdef mk_vcpu *v
    cdef uint64_t *mask = NULL
    cdef uint32_t i
    cdef int32_t me, cpu = -1
    cdef int called
    zalloc_cpumask(c, &mask)  # NULL where it failed: then everybody is kicked, and no mode is looked at
    me = get_cpu(c)
    c.visited += c.vm.nr_vcpus
    for i in range(c.vm.nr_vcpus):
        if targets != NULL and not (targets[i >> 6] >> (i & 63)) & 1:
            continue
        v = get_vcpu(c.vm, i)
        if v is NULL:
            continue
        if not req & MK_REQ_NO_ACTION:
            make_request(c, req, v)
        # A data race, kept: nothing orders this read after the bit where set_bit() is relaxed, and the compiler may tear or repeat it.
        read_cpu(c, v, MK_PLAIN, &cpu)
        if not req & MK_REQ_NO_WAKEUP and wake_up(c, v):
            continue
        if mask == NULL:
            continue
        # The old order of tests: the mode is not touched for a vCPU that is not loaded, or is loaded here.
        if cpu == -1 or cpu == me or needs_ipi(c, v, req):
            mask_cpu(c, v, cpu, me, mask)
    called = kick_many(c, mask, (req & MK_REQ_WAIT) != 0)
    put_cpu(c)
    return called


cdef mk_strategy table
table.abi = MK_ABI
table.size = sizeof(mk_strategy)
table.dispatch = dispatch


class Linear(Strategy):
    """All vCPUs, a test of the bitmap for each: the form before the patch.

    Source: virt/kvm/kvm_main.c, kvm_make_vcpus_request_mask() and kvm_make_all_cpus_request_except(), Linux 5.14.

    When it is right: under sc and tso (x86); its plain read of vcpu.cpu is a race in the C11 sense, and under weaker models it may be
    satisfied before the request is visible: then a kick goes astray. Cost: every vCPU is looked at; the mask is allocated
    in each call, and where that fails, everybody online is kicked.
    """

    name = "linear"
    requires = frozenset({"acknowledges"})

    def native(self):
        """The mk_strategy capsule; its struct is the module's own."""
        return strategy_capsule(&table)
