"""The rest of the kick path: what is done once a call (virt/kvm/kvm_main.c, v6.18). The steps for one target are in kick.pxd."""
from libc.string cimport memset
from minikvm.core.bits cimport ctz64
from minikvm.core.world cimport (
    MK_EV_SENDING, MK_FAIL, MK_PT_IPI_AWAIT, MK_PT_KICK_ALLOC, MK_PT_KICK_BEGIN, MK_PT_KICK_END)


cdef int get_cpu(mk_ctx *c) except -2 nogil:
    """Preemption off; the current pCPU, -1 where the caller holds none (only benchmarks)."""
    c.preempt_count += 1
    return c.pcpu


cdef int put_cpu(mk_ctx *c) except -1 nogil:
    """Preemption on again; a deschedule that was asked for meanwhile happens here."""
    c.preempt_count -= 1
    if c.need_resched and c.preempt_count == 0 and c.irqs_off == 0:
        c.vm.machine.schedule(c)
    return 0


cdef uint64_t *kick_mask(mk_ctx *c) noexcept nogil:
    """this_cpu_cpumask_var_ptr(cpu_kick_mask): the current pCPU's own, cleared. Only with preemption off."""
    cdef uint64_t *mask = c.vm.kick_masks + <size_t>c.vm.mask_words * <size_t>(c.pcpu if c.pcpu >= 0 else 0)
    memset(mask, 0, c.vm.mask_words * sizeof(uint64_t))
    return mask


cdef int zalloc_cpumask(mk_ctx *c, uint64_t **mask) except -1 nogil:
    """zalloc_cpumask_var() of the forms before 5.16, out of the context's own scratch: 0 and a NULL mask when an injector fails it."""
    mask[0] = NULL
    if mk_point(c, MK_PT_KICK_ALLOC, NULL) == MK_FAIL:
        return 0
    memset(c.scratch, 0, c.vm.mask_words * sizeof(uint64_t))
    mask[0] = c.scratch
    return 1


cdef int send_call(mk_ctx *c, const uint64_t *mask, bint wait) except -1 nogil:
    """One function-call IPI to every pCPU of the mask but the current one; does not wait for the acknowledgements yet."""
    mk_note(c, MK_EV_SENDING, NULL, <uint64_t>mask, wait)
    return c.vm.machine.call_many(c, mask, wait)


cdef int kick_many(mk_ctx *c, const uint64_t *mask, bint wait) except -1 nogil:
    """kvm_kick_many_cpus(): NULL is every online pCPU (no memory for a mask), an empty mask sends nothing. 1 when IPIs were sent."""
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


cdef int kick(mk_ctx *c, mk_vcpu *v) except -1 nogil:
    """kvm_vcpu_kick(): wake it or make it leave the guest, without a promise when (R21). 1 woken, 2 sent a reschedule IPI, 0 nothing."""
    cdef uint32_t mode = 0
    cdef int32_t cpu = -1
    cdef int32_t me = get_cpu(c)
    cdef int done = 0
    if wake_up(c, v):
        done = 1
    else:
        exiting_guest_mode(c, v, &mode)
        mk_note(c, MK_EV_MODE, v, mode, mode == MK_IN_GUEST_MODE)
        if mode == MK_IN_GUEST_MODE:
            read_cpu(c, v, MK_RELAXED, &cpu)
            if cpu != me and cpu >= 0:
                c.vm.machine.reschedule(c, cpu)
                done = 2
    put_cpu(c)
    return done


cdef int make_vcpus_request_mask(mk_ctx *c, uint32_t req, const uint64_t *targets) except -1 nogil:
    """kvm_make_vcpus_request_mask(): walk the set bits. 1 when an IPI was sent."""
    cdef mk_vcpu *v
    cdef uint64_t word
    cdef uint32_t w
    cdef int32_t me = get_cpu(c)
    cdef uint64_t *mask = kick_mask(c)
    cdef int called
    for w in range(c.vm.vcpu_words):
        word = targets[w]
        while word:
            v = get_vcpu(c.vm, w * 64 + ctz64(word))
            word &= word - 1
            c.visited += 1
            if v is not NULL:
                make_vcpu_request(c, v, req, mask, me)
    called = kick_many(c, mask, (req & MK_REQ_WAIT) != 0)
    put_cpu(c)
    return called


cdef int make_all_cpus_request(mk_ctx *c, uint32_t req) except -1 nogil:
    """kvm_make_all_cpus_request(): every vCPU of the VM. 1 when an IPI was sent."""
    cdef mk_vcpu *v
    cdef uint32_t i
    cdef int32_t me = get_cpu(c)
    cdef uint64_t *mask = kick_mask(c)
    cdef int called
    c.visited += c.vm.nr_vcpus
    for i in range(c.vm.nr_vcpus):
        v = get_vcpu(c.vm, i)
        if v is not NULL:
            make_vcpu_request(c, v, req, mask, me)
    called = kick_many(c, mask, (req & MK_REQ_WAIT) != 0)
    put_cpu(c)
    return called


cdef int dispatch(mk_ctx *c, uint32_t req, const uint64_t *targets) except -1 nogil:
    """One call through the VM's strategy. *targets* NULL: all vCPUs. 1 when an IPI was sent."""
    cdef int called
    mk_point(c, MK_PT_KICK_BEGIN, NULL)
    called = c.vm.strategy.dispatch(c, c.vm.strategy, req, targets)
    mk_point(c, MK_PT_KICK_END, NULL)
    return called
