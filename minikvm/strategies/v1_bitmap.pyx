"""The first version of the patch, kept as it was sent: vcpu.cpu is read before the request is made, which loses kicks."""
from libc.stdint cimport int32_t, uint32_t, uint64_t
from minikvm.core.bits cimport ctz64, unlikely
from minikvm.core.kick cimport get_cpu, kick_many, mask_cpu, needs_ipi, put_cpu, wake_up_step, within_table, zalloc_cpumask_step
from minikvm.core.native cimport strategy_capsule
from minikvm.core.requests cimport make_request
from minikvm.core.world cimport (
    MK_ABI, MK_NO_VCPU, MK_PLAIN, MK_PT_KICK_CPU_READ, MK_REQ_NO_ACTION, MK_REQ_NO_WAKEUP, MK_REQ_WAIT, mk_ctx, mk_is_bare, mk_load32,
    mk_nobody, mk_point, mk_strategy, mk_vcpu)

from minikvm.kinds import Strategy


cdef extern from *:
    """
    #if defined(__GNUC__) && defined(__OPTIMIZE__) /* said with force, as in kick.pxd: the bare walk in place, the watched one out of it */
    static inline int __pyx_f_7minikvm_10strategies_9v1_bitmap_plain_read(mk_ctx *, mk_vcpu *, int32_t *) __attribute__((always_inline));
    static inline int __pyx_f_7minikvm_10strategies_9v1_bitmap_steps(mk_ctx *, mk_ctx *, mk_vcpu *, uint32_t, uint64_t *)
        __attribute__((always_inline));
    static inline int __pyx_f_7minikvm_10strategies_9v1_bitmap_walk(mk_ctx *, mk_ctx *, uint32_t, const uint64_t *, uint64_t *)
        __attribute__((always_inline));
    static inline int __pyx_f_7minikvm_10strategies_9v1_bitmap_form(mk_ctx *, mk_ctx *, uint32_t, const uint64_t *)
        __attribute__((always_inline));
    static int __pyx_f_7minikvm_10strategies_9v1_bitmap_form_watched(mk_ctx *, uint32_t, const uint64_t *) __attribute__((noinline));
    #endif
    """


cdef inline int plain_read(mk_ctx *o, mk_vcpu *v, int32_t *cpu) except -1 nogil:
    """vcpu.cpu, without READ_ONCE. Nothing else is in here: by this name ThreadSanitizer is told to overlook it (tests/tsan.supp)."""
    cdef uint32_t raw = 0
    mk_load32(o, &v.cpu, MK_PLAIN, b"vcpu.cpu", &raw)
    cpu[0] = <int32_t>raw
    return 0


cdef inline int steps(mk_ctx *c, mk_ctx *o, mk_vcpu *v, uint32_t req, uint64_t *mask) except -1 nogil:
    """The helper of the first version. Looks the current pCPU up by itself, though its caller has preemption off already."""
    cdef int32_t cpu = -1
    cdef int32_t me
    # The bug (M24), not to be repaired: from here to make_request() the vCPU may migrate, enter the guest and see no request;
    # the IPI then goes to the pCPU that it left. A plain read besides.
    plain_read(o, v, &cpu)
    mk_point(o, MK_PT_KICK_CPU_READ, v)
    if not req & MK_REQ_NO_ACTION:
        make_request(o, req, v)
    if not req & MK_REQ_NO_WAKEUP and wake_up_step(c, o, v):
        return 0
    if mask == NULL:
        return 0
    me = get_cpu(c)
    if cpu == -1 or cpu == me or needs_ipi(o, v, req):
        mask_cpu(o, v, cpu, me, mask)
    return put_cpu(c)


cdef inline int walk(mk_ctx *c, mk_ctx *o, uint32_t req, const uint64_t *targets, uint64_t *mask) except -1 nogil:
    """The steps for each target. *o* does the operations: see vcpu_request_steps() in kick.pxd."""
    cdef mk_vcpu *base = c.vm.vcpus  # of the current word's bit 0
    cdef mk_vcpu *end = base + c.vm.nr_vcpus
    cdef mk_vcpu *v = base
    cdef const uint64_t *at = targets
    cdef uint64_t word
    cdef uint64_t visited = 0
    if targets == NULL:
        c.visited += c.vm.nr_vcpus
        while v < end:
            if v.id != MK_NO_VCPU:
                steps(c, o, v, req, mask)
            v += 1
        return 0
    while base < end:
        word = at[0]
        if unlikely(word != 0):  # most words of a sparse mask are empty: they are to be passed in a straight line
            word = within_table(word, base, end)
            while word != 0:
                v = base + ctz64(word)
                word &= word - 1
                visited += 1
                if v.id != MK_NO_VCPU:
                    steps(c, o, v, req, mask)
        at += 1
        base += 64
    c.visited += visited
    return 0


cdef inline int form(mk_ctx *c, mk_ctx *o, uint32_t req, const uint64_t *targets) except -1 nogil:
    """One call, from the mask to the IPIs; *o* as in walk()."""
    cdef uint64_t *mask = NULL
    cdef int called
    zalloc_cpumask_step(c, o, &mask)
    get_cpu(c)  # so that put_cpu() in the helper never gives the pCPU up in the middle of the walk
    walk(c, o, req, targets, mask)
    called = kick_many(c, mask, (req & MK_REQ_WAIT) != 0)
    put_cpu(c)
    return called


cdef int form_watched(mk_ctx *c, uint32_t req, const uint64_t *targets) except -1 nogil:
    """The same, where a world or an observer wants to hear of each step."""
    return form(c, c, req, targets)


cdef int dispatch(mk_ctx *c, const mk_strategy *s, uint32_t req, const uint64_t *targets) except -1 nogil:
    if mk_is_bare(c):
        return form(c, <mk_ctx *>&mk_nobody, req, targets)
    return form_watched(c, req, targets)


cdef mk_strategy table
table.abi = MK_ABI
table.size = sizeof(mk_strategy)
table.dispatch = dispatch


class V1Bitmap(Strategy):
    """The patch as first sent for review: a walk over the set bits, with an early plain read of vcpu.cpu. Loses kicks.

    Source: the first version of "KVM: Optimize kvm_make_vcpus_request_mask() a bit" (V. Kuznetsov, kvm@vger.kernel.org, August 2021).

    When it is right: never. It is here because the review asked whether the stale cpu is benign, and it is not: under every
    memory model a vCPU that migrates between the read and the request enters the guest without seeing it, and the IPI goes to the pCPU
    that it left (P1, and P2 with WAIT). Cost: that of `upstream`, and a look-up of the current pCPU for each target.
    """

    name = "v1-bitmap"
    requires = frozenset({"acknowledges"})

    def native(self):
        """The mk_strategy capsule; its struct is the module's own."""
        return strategy_capsule(&table)
