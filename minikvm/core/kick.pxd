# cython: language_level=3
"""The kick path (virt/kvm/kvm_main.c, v6.18), written once for every world. The order of the steps is the protocol: docs/protocol.md.

All that a call does is inline here; the plain kick is in kick.pyx. Nothing allocates, takes a lock or the GIL.
A cpumask is ``vm.mask_words`` words, a set of vCPUs ``vm.vcpu_words``.
"""
from libc.stdint cimport int32_t, uint32_t, uint64_t
from libc.string cimport memset
from minikvm.core.bits cimport ctz64, unlikely
from minikvm.core.requests cimport make_request
from minikvm.core.world cimport (
    MK_CMPXCHG, MK_EV_MASKED, MK_EV_MODE, MK_EV_SENDING, MK_EV_WOKE, MK_EXITING_GUEST_MODE, MK_FAIL, MK_FULL, MK_IN_GUEST_MODE,
    MK_MB_BEFORE_ATOMIC, MK_NO_VCPU, MK_OUTSIDE_GUEST_MODE, MK_PT_IPI_AWAIT, MK_PT_KICK_ALLOC, MK_PT_KICK_CPU_READ, MK_PT_KICK_MODE,
    MK_PT_KICK_WAKE, MK_RELAXED, MK_REQ_NO_ACTION, MK_REQ_NO_WAKEUP, MK_REQ_WAIT, MK_SMP_MB, mk_ctx, mk_fence, mk_is_bare, mk_load32,
    mk_nobody, mk_note, mk_point, mk_rmw32, mk_vcpu, mk_vm)


cdef extern from *:
    """
    /*
     * What a call does for each target must not be a call itself. Cython says `inline`, and the error paths that it adds let a compiler
     * think better of it: an earlier declaration of the same function says it with more force. (Under another name it would say nothing.)
     */
    #include <minikvm/minikvm.h>
    #if defined(__GNUC__) && defined(__OPTIMIZE__)
    static inline int __pyx_f_7minikvm_4core_4kick_make_vcpu_request(mk_ctx *, mk_vcpu *, uint32_t, uint64_t *, int32_t)
        __attribute__((always_inline));
    static inline int __pyx_f_7minikvm_4core_4kick_vcpu_request_steps(mk_ctx *, mk_ctx *, mk_vcpu *, uint32_t, uint64_t *, int32_t)
        __attribute__((always_inline));
    static inline int __pyx_f_7minikvm_4core_4kick_request_each(mk_ctx *, mk_ctx *, uint32_t, const uint64_t *, uint64_t *, int32_t)
        __attribute__((always_inline));
    static inline int __pyx_f_7minikvm_4core_4kick_request_all(mk_ctx *, mk_ctx *, uint32_t, uint64_t *, int32_t)
        __attribute__((always_inline));
    static inline int __pyx_f_7minikvm_4core_4kick_kick_many(mk_ctx *, const uint64_t *, int) __attribute__((always_inline));
    static inline int __pyx_f_7minikvm_4core_4kick_wake_up_step(mk_ctx *, mk_ctx *, mk_vcpu *) __attribute__((always_inline));
    static inline int __pyx_f_7minikvm_4core_4kick_mask_cpu(mk_ctx *, mk_vcpu *, int32_t, int32_t, uint64_t *)
        __attribute__((always_inline));
    static inline int __pyx_f_7minikvm_4core_4kick_needs_ipi(mk_ctx *, mk_vcpu *, uint32_t) __attribute__((always_inline));
    static inline int __pyx_f_7minikvm_4core_8requests_make_request(mk_ctx *, uint32_t, mk_vcpu *) __attribute__((always_inline));
    #endif
    """


cdef inline mk_vcpu *get_vcpu(mk_vm *vm, uint32_t idx) noexcept nogil:
    """kvm_get_vcpu(): the vCPU at a place of the table, NULL past its end or where it has a hole."""
    if idx >= vm.nr_vcpus or vm.vcpus[idx].id == MK_NO_VCPU:
        return NULL
    return &vm.vcpus[idx]


cdef inline int wake_up_step(mk_ctx *c, mk_ctx *o, mk_vcpu *v) except -1 nogil:
    """wake_up(), whose operations are done by *o*: the context, or mk_nobody where nobody watches it."""
    cdef uint32_t waiting = 0
    mk_point(o, MK_PT_KICK_WAKE, v)
    # rcuwait_wake_up()'s barrier. Pairs with the one in vcpu_block() between publishing the sleeper and testing its condition:
    # either this load sees the sleeper, or the sleeper's test sees what was written before this call.
    mk_fence(o, MK_SMP_MB, b"wake_up")
    mk_load32(o, &v.wait, MK_RELAXED, b"vcpu.wait", &waiting)
    if not waiting:
        return 0
    mk_rmw32(o, &v.wait, MK_CMPXCHG, MK_FULL, b"vcpu.wait", 0, 1, &waiting)
    if not waiting:
        return 0
    mk_note(o, MK_EV_WOKE, v, 0, 0)
    c.vm.machine.wake(c, v)
    return 1


cdef inline int wake_up(mk_ctx *c, mk_vcpu *v) except -1 nogil:
    """kvm_vcpu_wake_up(): 1 when the vCPU was asleep and this call woke it, else 0."""
    return wake_up_step(c, c, v)


cdef inline int exiting_guest_mode(mk_ctx *c, mk_vcpu *v, uint32_t *mode) except -1 nogil:
    """kvm_vcpu_exiting_guest_mode(): full barrier, then IN_GUEST_MODE becomes EXITING_GUEST_MODE; *mode* gets the old mode."""
    # The requester's half of the Dekker pair (R10). Pairs with the barrier in vcpu_enter_guest() between mode and requests.
    mk_fence(c, MK_MB_BEFORE_ATOMIC, b"exiting_guest_mode")
    mk_rmw32(c, &v.mode, MK_CMPXCHG, MK_FULL, b"vcpu.mode", MK_EXITING_GUEST_MODE, MK_IN_GUEST_MODE, mode)
    return 0


cdef inline int mode_needs_ipi(uint32_t mode, uint32_t req) noexcept nogil:
    """The truth table of docs/protocol.md: WAIT widens the test from "== IN_GUEST" to "!= OUTSIDE" (R15)."""
    if req & MK_REQ_WAIT:
        return mode != MK_OUTSIDE_GUEST_MODE
    return mode == MK_IN_GUEST_MODE


cdef inline int needs_ipi(mk_ctx *c, mk_vcpu *v, uint32_t req) except -1 nogil:
    """kvm_request_needs_ipi(): move the mode on, and say whether the old one asks for an IPI."""
    cdef uint32_t mode = 0
    cdef int needs
    exiting_guest_mode(c, v, &mode)
    needs = mode_needs_ipi(mode, req)
    mk_note(c, MK_EV_MODE, v, mode, needs)
    mk_point(c, MK_PT_KICK_MODE, v)
    return needs


cdef inline int read_cpu(mk_ctx *c, mk_vcpu *v, int order, int32_t *cpu) except -1 nogil:
    """vcpu.cpu, read once; *order* is MK_RELAXED for READ_ONCE, or MK_PLAIN for the plain read of older forms."""
    cdef uint32_t raw = 0
    mk_load32(c, &v.cpu, order, b"vcpu.cpu", &raw)
    cpu[0] = <int32_t>raw
    mk_point(c, MK_PT_KICK_CPU_READ, v)
    return 0


cdef inline int mask_cpu(mk_ctx *c, mk_vcpu *v, int32_t cpu, int32_t me, uint64_t *mask) except -1 nogil:
    """Add the pCPU to the kick mask unless it is none, or the current one. 1 when added."""
    cdef bint added = cpu != -1 and cpu != me
    if added:
        mask[cpu >> 6] |= (<uint64_t>1) << (cpu & 63)
    mk_note(c, MK_EV_MASKED, v, <uint64_t><uint32_t>cpu, added)
    return added


cdef inline int vcpu_request_steps(mk_ctx *c, mk_ctx *o, mk_vcpu *v, uint32_t req, uint64_t *mask, int32_t me) except -1 nogil:
    """kvm_make_vcpu_request() in its final form: request, wake-up, mode, and only then the cpu. 1 when an IPI was asked for.

    *o* does the operations: *c* itself, or mk_nobody in a walk that begins behind mk_is_bare().
    """
    cdef int32_t cpu = -1
    if not req & MK_REQ_NO_ACTION:
        make_request(o, req, v)
    if not req & MK_REQ_NO_WAKEUP and wake_up_step(c, o, v):
        return 0
    if not needs_ipi(o, v, req):
        return 0
    # The vCPU may migrate at any time from here on: then it leaves the guest first, and its last check sees the request.
    read_cpu(o, v, MK_RELAXED, &cpu)
    return mask_cpu(o, v, cpu, me, mask)


cdef int make_vcpu_request_watched(mk_ctx *c, mk_vcpu *v, uint32_t req, uint64_t *mask, int32_t me) except -1 nogil


cdef inline int make_vcpu_request(mk_ctx *c, mk_vcpu *v, uint32_t req, uint64_t *mask, int32_t me) except -1 nogil:
    """vcpu_request_steps(): in place where nobody watches, so that the steps ask no more; else, with the same source, out of line."""
    if mk_is_bare(c):
        return vcpu_request_steps(c, <mk_ctx *>&mk_nobody, v, req, mask, me)
    return make_vcpu_request_watched(c, v, req, mask, me)


# ---- once a call: inline too, since a function of another module costs as much as a target ----

cdef inline int get_cpu(mk_ctx *c) noexcept nogil:
    """Preemption off; the current pCPU, -1 where the caller holds none (only benchmarks)."""
    c.preempt_count += 1
    return c.pcpu


cdef inline int put_cpu(mk_ctx *c) except -1 nogil:
    """Preemption on again; a deschedule that was asked for meanwhile happens here."""
    c.preempt_count -= 1
    if c.need_resched and c.preempt_count == 0 and c.irqs_off == 0:
        c.vm.machine.schedule(c)
    return 0


cdef inline uint64_t *kick_mask(mk_ctx *c) noexcept nogil:
    """this_cpu_cpumask_var_ptr(cpu_kick_mask): the current pCPU's own, cleared. Only with preemption off."""
    cdef uint64_t *mask = c.vm.kick_masks + <size_t>c.vm.mask_stride * <size_t>(c.pcpu if c.pcpu >= 0 else 0)
    memset(mask, 0, c.vm.mask_words * sizeof(uint64_t))
    return mask


cdef inline int send_call(mk_ctx *c, const uint64_t *mask, bint wait) except -1 nogil:
    """One function-call IPI to every pCPU of the mask but the current one; does not wait for the acknowledgements yet."""
    mk_note(c, MK_EV_SENDING, NULL, <uint64_t>mask, wait)
    return c.vm.machine.call_many(c, mask, wait)


cdef inline int kick_many(mk_ctx *c, const uint64_t *mask, bint wait) except -1 nogil:
    """kvm_kick_many_cpus(): NULL is every online pCPU (no memory for a mask); an empty mask sends nothing. 1: IPIs were sent."""
    cdef uint32_t i
    cdef uint64_t any = 0
    if mask == NULL:
        mask = c.vm.online
    for i in range(c.vm.mask_words):
        any |= mask[i]
    if any == 0:
        return 0
    send_call(c, mask, wait)
    if wait:
        mk_point(c, MK_PT_IPI_AWAIT, NULL)
        c.vm.machine.call_wait(c)
    return 1


cdef inline int zalloc_cpumask_step(mk_ctx *c, mk_ctx *o, uint64_t **mask) except -1 nogil:
    """zalloc_cpumask(), whose point is passed by *o*: see vcpu_request_steps()."""
    cdef uint64_t *words = c.scratch
    mask[0] = NULL
    if mk_point(o, MK_PT_KICK_ALLOC, NULL) == MK_FAIL:
        return 0
    memset(words, 0, c.vm.mask_words * sizeof(uint64_t))
    mask[0] = words
    return 1


cdef inline int zalloc_cpumask(mk_ctx *c, uint64_t **mask) except -1 nogil:
    """zalloc_cpumask_var() of the forms before 5.16, out of the context's own scratch: 0 and a NULL mask when an injector fails it."""
    return zalloc_cpumask_step(c, c, mask)


cdef inline uint64_t within_table(uint64_t word, mk_vcpu *base, mk_vcpu *end) noexcept nogil:
    """The targets of a word whose bit 0 is *base*'s, without bits past the table's *end*: once a word, not once a target."""
    if unlikely(end - base < 64):
        word &= ((<uint64_t>1) << (end - base)) - 1
    return word


cdef inline int request_each(mk_ctx *c, mk_ctx *o, uint32_t req, const uint64_t *targets, uint64_t *mask, int32_t me) except -1 nogil:
    """The steps for each target; *o* as in vcpu_request_steps()."""
    # The table does not move or grow: read once, or the atomic operations make the compiler read it again for each target.
    cdef mk_vcpu *base = c.vm.vcpus  # of the current word's bit 0
    cdef mk_vcpu *end = base + c.vm.nr_vcpus
    cdef mk_vcpu *v
    cdef uint64_t word
    cdef uint64_t visited = 0
    while base < end:
        word = targets[0]
        if unlikely(word != 0):  # most words of a sparse mask are empty: they are to be passed in a straight line
            word = within_table(word, base, end)
            while word != 0:
                v = base + ctz64(word)
                word &= word - 1
                visited += 1
                if v.id != MK_NO_VCPU:
                    vcpu_request_steps(c, o, v, req, mask, me)
        targets += 1
        base += 64
    c.visited += visited
    return 0


cdef inline int request_all(mk_ctx *c, mk_ctx *o, uint32_t req, uint64_t *mask, int32_t me) except -1 nogil:
    """The same for every vCPU of the table."""
    cdef mk_vcpu *v = c.vm.vcpus
    cdef mk_vcpu *end = v + c.vm.nr_vcpus
    c.visited += c.vm.nr_vcpus
    while v < end:
        if v.id != MK_NO_VCPU:
            vcpu_request_steps(c, o, v, req, mask, me)
        v += 1
    return 0


cdef int request_watched(mk_ctx *c, uint32_t req, const uint64_t *targets, uint64_t *mask, int32_t me) except -1 nogil


cdef inline int make_vcpus_request_mask(mk_ctx *c, uint32_t req, const uint64_t *targets) except -1 nogil:
    """kvm_make_vcpus_request_mask(): walk the set bits. 1 when an IPI was sent."""
    cdef int32_t me = get_cpu(c)
    cdef uint64_t *mask = kick_mask(c)
    cdef int called
    if mk_is_bare(c):
        request_each(c, <mk_ctx *>&mk_nobody, req, targets, mask, me)
    else:
        request_watched(c, req, targets, mask, me)
    called = kick_many(c, mask, (req & MK_REQ_WAIT) != 0)
    put_cpu(c)
    return called


cdef inline int make_all_cpus_request(mk_ctx *c, uint32_t req) except -1 nogil:
    """kvm_make_all_cpus_request(): every vCPU of the VM. 1 when an IPI was sent."""
    cdef int32_t me = get_cpu(c)
    cdef uint64_t *mask = kick_mask(c)
    cdef int called
    if mk_is_bare(c):
        request_all(c, <mk_ctx *>&mk_nobody, req, mask, me)
    else:
        request_watched(c, req, NULL, mask, me)
    called = kick_many(c, mask, (req & MK_REQ_WAIT) != 0)
    put_cpu(c)
    return called


cdef int kick(mk_ctx *c, mk_vcpu *v) except -1 nogil
cdef int dispatch(mk_ctx *c, uint32_t req, const uint64_t *targets) except -1 nogil
