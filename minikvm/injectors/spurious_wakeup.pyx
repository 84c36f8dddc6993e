"""A sleeper wakes without a cause."""
from minikvm.core.native cimport injector_capsule
from minikvm.core.world cimport MK_PT_KICK_WAKE, mk_ctx, mk_fires, mk_injector, mk_vcpu
from minikvm.injectors._table cimport InjectorTable, injector_table

from minikvm.kinds import Injector


cdef int at(mk_ctx *c, mk_injector *i, int point, mk_vcpu *subject) except -1 nogil:
    if mk_fires(c, i):
        # Before the kicker's own test for a sleeper it strikes the very vCPU that is about to be woken; elsewhere any sleeper.
        c.vm.machine.spurious_wakeup(c, subject if point == MK_PT_KICK_WAKE else NULL)
    return 0


class SpuriousWakeup(Injector):
    """A blocked vCPU wakes up although nobody kicked it, or just before somebody does.

    Source: include/linux/rcuwait.h and kernel/sched/core.c, try_to_wake_up(): a sleeper may wake for any reason, and must test its
    condition again; virt/kvm/kvm_main.c, kvm_vcpu_block(), Linux v6.18.

    When it is right: for every strategy and loop. Cost: an unblocked vCPU runs its loop once for nothing.
    """

    name = "spurious-wakeup"
    benign = True
    points = ("kick.begin", "kick.wake", "kick.end", "task.run")
    probability = 0.01

    def native(self):
        """The mk_injector capsule; its struct is the object's own."""
        cdef InjectorTable table = injector_table(self, at)
        self._table = table
        return injector_capsule(&table.c)
