"""The IPI never arrives: broken on purpose, to see that a run notices."""
from minikvm.core.native cimport injector_capsule
from minikvm.core.world cimport MK_GO, MK_IPI_LOST, mk_ctx, mk_fires, mk_injector, mk_vcpu
from minikvm.injectors._table cimport InjectorTable, injector_table

from minikvm.kinds import Injector


cdef int at(mk_ctx *c, mk_injector *i, int point, mk_vcpu *subject) except -1 nogil:
    return MK_IPI_LOST if mk_fires(c, i) else MK_GO


class LostIpi(Injector):
    """An IPI is lost. Not benign: a run must report the violation.

    Source: no hardware does this; it stands for the bugs that lose kicks (a test of a flag followed by a sleep, a mask that two tasks
    share).

    When it is right: never. A WAIT call then waits for an acknowledgement that does not come (P7), and a guest that does not leave on its
    own rests with its request unseen (P1). Cost: the run ends with exit code 1.
    """

    name = "lost-ipi"
    benign = False
    points = ("ipi.send",)
    probability = 0.01

    def native(self):
        """The mk_injector capsule; its struct is the object's own."""
        cdef InjectorTable table = injector_table(self, at)
        self._table = table
        return injector_capsule(&table.c)
