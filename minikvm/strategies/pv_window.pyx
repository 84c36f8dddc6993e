"""IPIs by hypercall: each carries a window of 128 APIC ids."""
from libc.stdint cimport int32_t, uint32_t, uint64_t
from libc.string cimport memset
from minikvm.core.bits cimport ctz64
from minikvm.core.kick cimport get_cpu, kick_mask, make_vcpu_request, put_cpu, send_call
from minikvm.core.native cimport strategy_capsule
from minikvm.core.world cimport MK_ABI, MK_PT_IPI_AWAIT, MK_REQ_WAIT, mk_ctx, mk_point, mk_strategy, mk_vcpu
from minikvm.strategies._walk cimport begin_targets, next_target, target_walk

from minikvm.kinds import Strategy

cdef enum:
    WINDOW = 128  # KVM_IPI_CLUSTER_SIZE: the bits of two 64-bit registers


cdef inline int send_window(mk_ctx *c, uint64_t *window, bint wait) except -1 nogil:
    """One KVM_HC_SEND_IPI; the window is empty again afterwards."""
    send_call(c, window, wait)
    memset(window, 0, c.vm.mask_words * sizeof(uint64_t))
    return 0


cdef inline int send_windows(mk_ctx *c, const uint64_t *mask, bint wait) except -1 nogil:
    """__send_ipi_mask(): in pCPU order, stretch the window while all ids fit into it, else send it and begin anew. 1 when sent."""
    cdef uint64_t *window = c.scratch
    cdef uint32_t lowest = 0, highest = 0, id, cpu, at
    cdef uint64_t word
    cdef bint any = False
    memset(window, 0, c.vm.mask_words * sizeof(uint64_t))
    for at in range(c.vm.mask_words):
        word = mask[at]
        while word:
            cpu = at * 64 + ctz64(word)
            id = c.vm.apic_of[cpu]
            if not any:
                lowest = highest = id
            elif id < lowest and highest - id < WINDOW:
                lowest = id
            elif id >= lowest and id - lowest < WINDOW:
                highest = id if id > highest else highest
            else:
                send_window(c, window, wait)
                lowest = highest = id
            any = True
            window[at] |= word & (0 - word)
            word &= word - 1
    if any:
        send_window(c, window, wait)
    return any


cdef int dispatch(mk_ctx *c, const mk_strategy *s, uint32_t req, const uint64_t *targets) except -1 nogil:
    cdef target_walk t
    cdef mk_vcpu *v
    cdef int32_t me = get_cpu(c)
    cdef uint64_t *mask = kick_mask(c)
    cdef bint wait = (req & MK_REQ_WAIT) != 0
    cdef int called
    t = begin_targets(c, targets)
    v = next_target(c, &t)
    while v is not NULL:
        make_vcpu_request(c, v, req, mask, me)
        v = next_target(c, &t)
    called = send_windows(c, mask, wait)
    if called and wait:  # once for all windows
        mk_point(c, MK_PT_IPI_AWAIT, NULL)
        c.vm.machine.call_wait(c)
    put_cpu(c)
    return called


cdef mk_strategy table
table.abi = MK_ABI
table.size = sizeof(mk_strategy)
table.dispatch = dispatch


class PvWindow(Strategy):
    """The IPI mask is sent by hypercalls, each with a window of 128 APIC ids.

    Source: arch/x86/kernel/kvm.c, __send_ipi_mask(), and Documentation/virt/kvm/x86/hypercalls.rst, KVM_HC_SEND_IPI, Linux v6.18:
    a 128-bit bitmap and the APIC id of its lowest bit.

    When it is right: always; the requests are made as `upstream` makes them. It is the form of a kicker that is a guest itself, for
    which each write to the ICR would be an exit. Cost: one send for each window, so few where APIC ids are dense, up to one for
    each target where they are sparse.
    """

    name = "pv-window"
    requires = frozenset({"acknowledges"})

    def native(self):
        """The mk_strategy capsule; its struct is the module's own."""
        return strategy_capsule(&table)
