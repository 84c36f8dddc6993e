# cython: language_level=3
"""The kick path (virt/kvm/kvm_main.c, v6.18), written once for every world. The order of the steps is the protocol: docs/protocol.md.

The steps that a strategy repeats for each target are inline here; the rest is in kick.pyx. Nothing allocates, takes a lock or the GIL.
A cpumask is ``vm.mask_words`` words, a set of vCPUs ``vm.vcpu_words``.
"""
from libc.stdint cimport int32_t, uint32_t, uint64_t
from minikvm.core.requests cimport make_request
from minikvm.core.world cimport (
    MK_CMPXCHG, MK_EV_MASKED, MK_EV_MODE, MK_EV_WOKE, MK_EXITING_GUEST_MODE, MK_FULL, MK_IN_GUEST_MODE, MK_MB_BEFORE_ATOMIC, MK_NO_VCPU,
    MK_OUTSIDE_GUEST_MODE, MK_PT_KICK_CPU_READ, MK_PT_KICK_MODE, MK_PT_KICK_WAKE, MK_RELAXED, MK_REQ_NO_ACTION, MK_REQ_NO_WAKEUP,
    MK_REQ_WAIT, MK_SMP_MB, mk_ctx, mk_fence, mk_load32, mk_note, mk_point, mk_rmw32, mk_vcpu, mk_vm)


cdef inline mk_vcpu *get_vcpu(mk_vm *vm, uint32_t idx) noexcept nogil:
    """kvm_get_vcpu(): the vCPU at a place of the table, NULL past its end or where it has a hole."""
    if idx >= vm.nr_vcpus or vm.vcpus[idx].id == MK_NO_VCPU:
        return NULL
    return &vm.vcpus[idx]


cdef inline int wake_up(mk_ctx *c, mk_vcpu *v) except -1 nogil:
    """kvm_vcpu_wake_up(): 1 when the vCPU was asleep and this call woke it, else 0."""
    cdef uint32_t waiting = 0
    mk_point(c, MK_PT_KICK_WAKE, v)
    # rcuwait_wake_up()'s barrier. Pairs with the one in vcpu_block() between publishing the sleeper and testing its condition:
    # either this load sees the sleeper, or the sleeper's test sees what was written before this call.
    mk_fence(c, MK_SMP_MB, b"wake_up")
    mk_load32(c, &v.wait, MK_RELAXED, b"vcpu.wait", &waiting)
    if not waiting:
        return 0
    mk_rmw32(c, &v.wait, MK_CMPXCHG, MK_FULL, b"vcpu.wait", 0, 1, &waiting)
    if not waiting:
        return 0
    mk_note(c, MK_EV_WOKE, v, 0, 0)
    c.vm.machine.wake(c, v)
    return 1


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


cdef inline int make_vcpu_request(mk_ctx *c, mk_vcpu *v, uint32_t req, uint64_t *mask, int32_t me) except -1 nogil:
    """kvm_make_vcpu_request() in its final form: request, wake-up, mode, and only then the cpu. 1 when an IPI was asked for."""
    cdef int32_t cpu = -1
    if not req & MK_REQ_NO_ACTION:
        make_request(c, req, v)
    if not req & MK_REQ_NO_WAKEUP and wake_up(c, v):
        return 0
    if not needs_ipi(c, v, req):
        return 0
    # The vCPU may migrate at any time from here on: then it leaves the guest first, and its last check sees the request.
    read_cpu(c, v, MK_RELAXED, &cpu)
    return mask_cpu(c, v, cpu, me, mask)


cdef int get_cpu(mk_ctx *c) except -2 nogil
cdef int put_cpu(mk_ctx *c) except -1 nogil
cdef uint64_t *kick_mask(mk_ctx *c) noexcept nogil
cdef int zalloc_cpumask(mk_ctx *c, uint64_t **mask) except -1 nogil
cdef int send_call(mk_ctx *c, const uint64_t *mask, bint wait) except -1 nogil
cdef int kick_many(mk_ctx *c, const uint64_t *mask, bint wait) except -1 nogil
cdef int kick(mk_ctx *c, mk_vcpu *v) except -1 nogil
cdef int make_vcpus_request_mask(mk_ctx *c, uint32_t req, const uint64_t *targets) except -1 nogil
cdef int make_all_cpus_request(mk_ctx *c, uint32_t req) except -1 nogil
cdef int dispatch(mk_ctx *c, uint32_t req, const uint64_t *targets) except -1 nogil
