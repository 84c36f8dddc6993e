# cython: language_level=3
"""M50: a kick by user space that is a signal and a flag of its own. The signal lands between the flag's test and the entry.

``vcpu.strategy`` is the flag in user space's memory, which the kernel does not know. The signal is a reschedule IPI to the vCPU's thread:
with IRQs on it is handled at once, as a signal is in user space, and nothing is left of it; with IRQs off, or in the guest, it stays
pending and ends the entry, as a signal does within KVM_RUN.
"""
from libc.stdint cimport int32_t, uint32_t, uint64_t
from minikvm.core.entry cimport enter_x86
from minikvm.core.kick cimport get_cpu, put_cpu, read_cpu, wake_up
from minikvm.core.native cimport loop_capsule, strategy_capsule
from minikvm.core.requests cimport make_request
from minikvm.core.world cimport (
    MK_ABI, MK_EV_MASKED, MK_RELAXED, MK_REQ_NO_ACTION, MK_SMP_MB, mk_ctx, mk_fence, mk_load64, mk_loop, mk_note, mk_store64,
    mk_strategy, mk_vcpu)
from minikvm_known_bugs._call cimport each_target

from minikvm.kinds import Loop, Strategy


cdef int steps(mk_ctx *c, mk_vcpu *v, uint32_t req, uint64_t *mask, int32_t me) except -1 nogil:
    """qemu_cpu_kick(): the flag, then the signal, whatever the vCPU does."""
    cdef int32_t cpu = -1
    if not req & MK_REQ_NO_ACTION:
        make_request(c, req, v)
    mk_store64(c, &v.strategy, MK_RELAXED, b"exit_request", 1)
    mk_fence(c, MK_SMP_MB, b"pthread_kill")
    if wake_up(c, v):
        return 0
    read_cpu(c, v, MK_RELAXED, &cpu)
    mk_note(c, MK_EV_MASKED, v, <uint64_t><uint32_t>cpu, 0)
    if cpu < 0 or cpu == me:
        return 0
    c.vm.machine.reschedule(c, cpu)
    return 1


cdef int dispatch(mk_ctx *c, const mk_strategy *s, uint32_t req, const uint64_t *targets) except -1 nogil:
    cdef int32_t me = get_cpu(c)
    cdef int sent = each_target(c, req, targets, steps, NULL, me)
    put_cpu(c)
    return sent > 0


cdef int enter(mk_ctx *c, const mk_loop *l, mk_vcpu *v) except -1 nogil:
    """User space's loop: test the flag, then KVM_RUN."""
    cdef uint64_t asked = 0
    mk_load64(c, &v.strategy, MK_RELAXED, b"exit_request", &asked)
    if asked:
        mk_store64(c, &v.strategy, MK_RELAXED, b"exit_request", 0)
        return 0
    # The bug, not to be repaired: a signal that lands here has run its handler before the kernel is entered, and the kernel has no flag to
    # look at (kvm_run.immediate_exit) after that.
    c.vm.machine.irq_disable(c)
    c.vm.machine.irq_enable(c)
    return enter_x86(c, l, v)


cdef mk_strategy table
table.abi = MK_ABI
table.size = sizeof(mk_strategy)
table.dispatch = dispatch

cdef mk_loop loop
loop.abi = MK_ABI
loop.size = sizeof(mk_loop)
loop.enter = enter


class M50(Strategy):
    """Known bug: user space kicks with a signal and a flag that the kernel does not look at (P1). With the run loop m50.

    When it is right: where user space blocks the signal outside of KVM_RUN.
    """

    name = "m50"
    requires = frozenset({"acknowledges"})

    def native(self):
        """The mk_strategy capsule; its struct is the module's own."""
        return strategy_capsule(&table)


class M50Loop(Loop):
    """Known bug: user space tests its flag, and then enters the kernel (P1). With the strategy m50.

    When it is right: as the strategy.
    """

    name = "m50"
    arch = "x86"

    def native(self):
        """The mk_loop capsule; its struct is the module's own."""
        return loop_capsule(&loop)
