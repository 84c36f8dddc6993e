"""An IPI that nobody's request asked for."""
from libc.stdint cimport int32_t
from minikvm.core.native cimport injector_capsule
from minikvm.core.world cimport MK_PT_KICK_BEGIN, MK_PT_KICK_END, MK_PT_KICK_MODE, mk_ctx, mk_fires, mk_injector, mk_vcpu
from minikvm.injectors._table cimport InjectorTable, injector_table

from minikvm.kinds import Injector


cdef int at(mk_ctx *c, mk_injector *i, int point, mk_vcpu *subject) except -1 nogil:
    cdef int32_t pcpu
    if mk_fires(c, i):
        # From a kicker it goes to any pCPU; on the vCPU's side to its own, so that it comes in the window between IRQs off and entry.
        pcpu = -1 if point == MK_PT_KICK_BEGIN or point == MK_PT_KICK_MODE or point == MK_PT_KICK_END else c.pcpu
        c.vm.machine.spurious_ipi(c, pcpu)
    return 0


class SpuriousIpi(Injector):
    """A pCPU gets an IPI without a request: a device's interrupt, another VM's kick.

    Source: arch/x86/kvm/x86.c, vcpu_enter_guest(): any host interrupt forces an exit, and one that comes with IRQs off forces it at
    entry, Linux v6.18.

    When it is right: for every strategy and loop: an exit without a request is only work for nothing. Cost: an exit, or an aborted entry.
    """

    name = "spurious-ipi"
    benign = True
    points = ("kick.begin", "kick.mode", "kick.end", "entry.irqs_off", "entry.mode", "entry.last_check", "entry.enter", "walk.begin")
    probability = 0.01

    def native(self):
        """The mk_injector capsule; its struct is the object's own."""
        cdef InjectorTable table = injector_table(self, at)
        self._table = table
        return injector_capsule(&table.c)
