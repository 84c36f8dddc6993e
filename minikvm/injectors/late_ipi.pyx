"""The IPI takes its time."""
from minikvm.core.native cimport injector_capsule
from minikvm.core.world cimport MK_GO, MK_IPI_LATE, mk_ctx, mk_fires, mk_injector, mk_vcpu
from minikvm.injectors._table cimport InjectorTable, injector_table

from minikvm.kinds import Injector


cdef int at(mk_ctx *c, mk_injector *i, int point, mk_vcpu *subject) except -1 nogil:
    return MK_IPI_LATE if mk_fires(c, i) else MK_GO


class LateIpi(Injector):
    """An IPI is delivered later than it was sent: the sender goes on, the receiver stays in the guest for a while.

    Source: an IPI is a message: the sender's write to the ICR completes before the receiver is interrupted (Intel SDM volume 3,
    "Issuing Interprocessor Interrupts"; Arm GIC architecture, SGIs).

    When it is right: for every strategy: a kick promises that the vCPU will leave, only WAIT that it has left. Cost: latency.
    """

    name = "late-ipi"
    benign = True
    points = ("ipi.send",)
    probability = 0.05

    def native(self):
        """The mk_injector capsule; its struct is the object's own."""
        cdef InjectorTable table = injector_table(self, at)
        self._table = table
        return injector_capsule(&table.c)
