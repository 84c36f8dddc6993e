"""The host's scheduler takes the pCPU away, anywhere."""
from minikvm.core.native cimport injector_capsule
from minikvm.core.world cimport mk_ctx, mk_fires, mk_injector, mk_vcpu
from minikvm.injectors._table cimport InjectorTable, injector_table

from minikvm.kinds import Injector


cdef int at(mk_ctx *c, mk_injector *i, int point, mk_vcpu *subject) except -1 nogil:
    if mk_fires(c, i):
        c.vm.machine.preempt(c)
    return 0


class Preempt(Injector):
    """Deschedule the task or the vCPU: here, or where preemption or IRQs are off, at the next place that allows it.

    Source: kernel/sched/core.c, preempt_schedule() and need_resched, and virt/kvm/kvm_main.c, kvm_sched_out() and kvm_sched_in(),
    Linux v6.18.

    When it is right: for every strategy and loop. Inside the entry it becomes pending work that the last check must find. The points
    within load and put are left out: they are the scheduler's own, with preemption off. Cost: a put and a load each time.
    """

    name = "preempt"
    benign = True
    points = (
        "kick.begin", "kick.alloc_mask", "kick.end", "task.run", "vcpu.check", "vcpu.handled", "entry.irqs_off", "entry.mode",
        "entry.last_check", "entry.enter", "entry.exit", "entry.outside", "entry.abort", "walk.begin", "walk.end", "block.published",
        "block.test", "block.sleep", "block.woken",
    )
    probability = 0.01

    def native(self):
        """The mk_injector capsule; its struct is the object's own."""
        cdef InjectorTable table = injector_table(self, at)
        self._table = table
        return injector_capsule(&table.c)
