"""There is no memory for a cpumask: in a call, or when the VM is made."""
from minikvm.core.native cimport injector_capsule
from minikvm.core.world cimport MK_FAIL, MK_GO, mk_ctx, mk_fires, mk_injector, mk_vcpu
from minikvm.injectors._table cimport InjectorTable, injector_table

from typing import Literal

from pydantic import Field

from minikvm.kinds import Injector
from minikvm.kinds import Options as BaseOptions


cdef int at(mk_ctx *c, mk_injector *i, int point, mk_vcpu *subject) except -1 nogil:
    # With `when: start` there is nothing to do here: the machine looks at that option when it allocates the kick masks.
    if (<InjectorTable>i.self).option and mk_fires(c, i):
        return MK_FAIL
    return MK_GO


class Options(BaseOptions):
    """Which allocation fails."""

    when: Literal["call", "start"] = Field(
        "call", description="call: the mask of a single call (linear, v1-bitmap: everybody is kicked). start: the kick masks of the "
        "VM, which then does not start (ENOMEM).")


class MaskAllocFailure(Injector):
    """The allocation of a cpumask fails.

    Source: virt/kvm/kvm_main.c: before Linux 5.16 zalloc_cpumask_var(GFP_ATOMIC) in each call, and a broadcast where it failed; since then
    cpu_kick_mask, allocated in kvm_init(), and -ENOMEM.

    When it is right: `call` concerns the strategies that allocate in a call, `linear` and `v1-bitmap`; the others never ask. `start` makes
    the VM's start fail, whatever the probability. Cost: a broadcast for each failed call.
    """

    name = "mask-alloc-failure"
    benign = True
    points = ("kick.alloc_mask",)
    probability = 0.05
    Options = Options

    def native(self):
        """The mk_injector capsule; its struct is the object's own."""
        cdef InjectorTable table = injector_table(self, at)
        table.option = self.options.when == "call"
        self._table = table
        return injector_capsule(&table.c)
