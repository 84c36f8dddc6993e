"""The merged helper under the old walk: what does the set-bit walk alone bring?"""
from libc.stdint cimport int32_t, uint32_t, uint64_t
from minikvm.core.kick cimport get_cpu, kick_many, kick_mask, put_cpu, vcpu_request_steps
from minikvm.core.native cimport strategy_capsule
from minikvm.core.world cimport MK_ABI, MK_NO_VCPU, MK_REQ_WAIT, mk_ctx, mk_is_bare, mk_nobody, mk_strategy, mk_vcpu
from minikvm.strategies._walk cimport is_target

from minikvm.kinds import Strategy


cdef extern from *:
    """
    #if defined(__GNUC__) && defined(__OPTIMIZE__) /* said with force, as in kick.pxd: the bare walk in place, the watched one out of it */
    static inline int __pyx_f_7minikvm_10strategies_15upstream_linear_walk(
        mk_ctx *, mk_ctx *, uint32_t, const uint64_t *, uint64_t *, int32_t)
        __attribute__((always_inline));
    static int __pyx_f_7minikvm_10strategies_15upstream_linear_walk_watched(mk_ctx *, uint32_t, const uint64_t *, uint64_t *, int32_t)
        __attribute__((noinline));
    #endif
    """


cdef inline int walk(mk_ctx *c, mk_ctx *o, uint32_t req, const uint64_t *targets, uint64_t *mask, int32_t me) except -1 nogil:
    """The merged form's steps for each target. *o* does the operations: see vcpu_request_steps() in kick.pxd."""
    # Read once, as in request_each() in kick.pxd. As in kvm_for_each_vcpu() first whether a vCPU is there, then its bit.
    cdef mk_vcpu *v = c.vm.vcpus
    cdef size_t n = c.vm.nr_vcpus
    cdef size_t i = 0
    c.visited += n
    if targets == NULL:
        while i < n:
            if v.id != MK_NO_VCPU:
                vcpu_request_steps(c, o, v, req, mask, me)
            i += 1
            v += 1
        return 0
    while i < n:
        if v.id != MK_NO_VCPU and is_target(targets, i):
            vcpu_request_steps(c, o, v, req, mask, me)
        i += 1
        v += 1
    return 0


cdef int walk_watched(mk_ctx *c, uint32_t req, const uint64_t *targets, uint64_t *mask, int32_t me) except -1 nogil:
    """The same, where a world or an observer wants to hear of each step."""
    return walk(c, c, req, targets, mask, me)


cdef int dispatch(mk_ctx *c, const mk_strategy *s, uint32_t req, const uint64_t *targets) except -1 nogil:
    cdef int32_t me = get_cpu(c)
    cdef uint64_t *mask = kick_mask(c)
    cdef int called
    if mk_is_bare(c):
        walk(c, <mk_ctx *>&mk_nobody, req, targets, mask, me)
    else:
        walk_watched(c, req, targets, mask, me)
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
