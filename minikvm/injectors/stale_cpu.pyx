"""The race of the seed question: the target moves to another pCPU after its vcpu.cpu was read."""
from minikvm.core.native cimport injector_capsule
from minikvm.core.world cimport mk_ctx, mk_fires, mk_injector, mk_vcpu
from minikvm.injectors._table cimport InjectorTable, injector_table

from pydantic import Field

from minikvm.kinds import Injector
from minikvm.kinds import Options as BaseOptions


cdef int at(mk_ctx *c, mk_injector *i, int point, mk_vcpu *subject) except -1 nogil:
    if subject is not NULL and mk_fires(c, i):
        c.vm.machine.migrate(c, subject, (<InjectorTable>i.self).option)
    return 0


class Options(BaseOptions):
    """What the target does on its new pCPU."""

    walk: bool = Field(False, description="Let it walk its shadow page tables there, before the IPI comes.")


class StaleCpu(Injector):
    """The target migrates between the read of vcpu.cpu and the IPI, which then goes to the pCPU that it left.

    Source: the commit message of "KVM: Optimize kvm_make_vcpus_request_mask() a bit" and its review (kvm@vger.kernel.org, August 2021),
    which draw this interleaving; Linux 5.16.

    When it is right: for every strategy: it must survive this, because a vCPU that migrates has left the guest and sees the
    request before it enters again. `v1-bitmap` does not. Cost: the kicker waits until the target has moved.
    """

    name = "stale-cpu"
    benign = True
    points = ("kick.cpu_read",)
    probability = 0.05
    uses = frozenset({"migrate", "walk"})
    Options = Options

    def __init__(self, options=None):
        super().__init__(options)
        if not self.options.walk:
            self.uses = frozenset({"migrate"})

    def native(self):
        """The mk_injector capsule; its struct is the object's own."""
        cdef InjectorTable table = injector_table(self, at)
        table.option = self.options.walk
        self._table = table
        return injector_capsule(&table.c)
