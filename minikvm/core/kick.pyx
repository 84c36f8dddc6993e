"""The rest of the kick path: the plain kick, and one call through the strategy (virt/kvm/kvm_main.c, v6.18). The calls are in kick.pxd."""
from minikvm.core.world cimport MK_PT_KICK_BEGIN, MK_PT_KICK_END


cdef int make_vcpu_request_watched(mk_ctx *c, mk_vcpu *v, uint32_t req, uint64_t *mask, int32_t me) except -1 nogil:
    return vcpu_request_steps(c, c, v, req, mask, me)


cdef int request_watched(mk_ctx *c, uint32_t req, const uint64_t *targets, uint64_t *mask, int32_t me) except -1 nogil:
    """The walks of the calls, where a world or an observer wants to hear of each step."""
    if targets == NULL:
        return request_all(c, c, req, mask, me)
    return request_each(c, c, req, targets, mask, me)


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


cdef int dispatch(mk_ctx *c, uint32_t req, const uint64_t *targets) except -1 nogil:
    """One call through the VM's strategy. *targets* NULL: all vCPUs. 1 when an IPI was sent."""
    cdef int called
    mk_point(c, MK_PT_KICK_BEGIN, NULL)
    called = c.vm.strategy.dispatch(c, c.vm.strategy, req, targets)
    mk_point(c, MK_PT_KICK_END, NULL)
    return called
