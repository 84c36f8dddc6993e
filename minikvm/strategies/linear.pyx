"""Before the patch: look at every vCPU, read vcpu.cpu plainly, allocate the mask in each call."""
from libc.stdint cimport int32_t, uint32_t, uint64_t
from minikvm.core.kick cimport get_cpu, kick_many, mask_cpu, needs_ipi, put_cpu, wake_up_step, zalloc_cpumask
from minikvm.core.native cimport strategy_capsule
from minikvm.core.requests cimport make_request
from minikvm.core.world cimport (
    MK_ABI, MK_NO_VCPU, MK_PLAIN, MK_PT_KICK_CPU_READ, MK_REQ_NO_ACTION, MK_REQ_NO_WAKEUP, MK_REQ_WAIT, mk_ctx, mk_is_bare, mk_load32,
    mk_nobody, mk_point, mk_strategy, mk_vcpu)
from minikvm.strategies._walk cimport is_target

from minikvm.kinds import Strategy


cdef extern from *:
    """
    #if defined(__GNUC__) && defined(__OPTIMIZE__) /* said with force, as in kick.pxd: the bare walk in place, the watched one out of it */
    static inline int __pyx_f_7minikvm_10strategies_6linear_plain_read(mk_ctx *, mk_vcpu *, int32_t *) __attribute__((always_inline));
    static inline int __pyx_f_7minikvm_10strategies_6linear_steps(mk_ctx *, mk_ctx *, mk_vcpu *, uint32_t, uint64_t *, int32_t)
        __attribute__((always_inline));
    static inline int __pyx_f_7minikvm_10strategies_6linear_walk(mk_ctx *, mk_ctx *, uint32_t, const uint64_t *, uint64_t *, int32_t)
        __attribute__((always_inline));
    static int __pyx_f_7minikvm_10strategies_6linear_walk_watched(mk_ctx *, uint32_t, const uint64_t *, uint64_t *, int32_t)
        __attribute__((noinline));
    #endif
    """


cdef inline int plain_read(mk_ctx *o, mk_vcpu *v, int32_t *cpu) except -1 nogil:
    """vcpu.cpu, without READ_ONCE. Nothing else is in here: by this name ThreadSanitizer is told to overlook it (tests/tsan.supp)."""
    cdef uint32_t raw = 0
    mk_load32(o, &v.cpu, MK_PLAIN, b"vcpu.cpu", &raw)
    cpu[0] = <int32_t>raw
    return 0


cdef inline int steps(mk_ctx *c, mk_ctx *o, mk_vcpu *v, uint32_t req, uint64_t *mask, int32_t me) except -1 nogil:
    """One target."""
    cdef int32_t cpu = -1
    if not req & MK_REQ_NO_ACTION:
        make_request(o, req, v)
    # A data race, kept: nothing orders this read after the bit where set_bit() is relaxed, and the compiler may tear or repeat it.
    plain_read(o, v, &cpu)
    mk_point(o, MK_PT_KICK_CPU_READ, v)
    if not req & MK_REQ_NO_WAKEUP and wake_up_step(c, o, v):
        return 0
    if mask == NULL:
        return 0
    # The old order of tests: the mode is not touched for a vCPU that is not loaded, or is loaded here.
    if cpu == -1 or cpu == me or needs_ipi(o, v, req):
        mask_cpu(o, v, cpu, me, mask)
    return 0


cdef inline int walk(mk_ctx *c, mk_ctx *o, uint32_t req, const uint64_t *targets, uint64_t *mask, int32_t me) except -1 nogil:
    """The steps for each target. *o* does the operations: see vcpu_request_steps() in kick.pxd."""
    # Read once, as in request_each() in kick.pxd. As in kvm_for_each_vcpu() first whether a vCPU is there, then its bit.
    cdef mk_vcpu *v = c.vm.vcpus
    cdef size_t n = c.vm.nr_vcpus
    cdef size_t i = 0
    c.visited += n
    if targets == NULL:
        while i < n:
            if v.id != MK_NO_VCPU:
                steps(c, o, v, req, mask, me)
            i += 1
            v += 1
        return 0
    while i < n:
        if v.id != MK_NO_VCPU and is_target(targets, i):
            steps(c, o, v, req, mask, me)
        i += 1
        v += 1
    return 0


cdef int walk_watched(mk_ctx *c, uint32_t req, const uint64_t *targets, uint64_t *mask, int32_t me) except -1 nogil:
    """The same, where a world or an observer wants to hear of each step."""
    return walk(c, c, req, targets, mask, me)


cdef int dispatch(mk_ctx *c, const mk_strategy *s, uint32_t req, const uint64_t *targets) except -1 nogil:
    cdef uint64_t *mask = NULL
    cdef int32_t me
    cdef int called
    zalloc_cpumask(c, &mask)  # NULL where it failed: then everybody is kicked, and no mode is looked at
    me = get_cpu(c)
    if mk_is_bare(c) and mask != NULL:
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
