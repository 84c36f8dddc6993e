"""No mask: the requests are made for the targets, the IPI goes to everybody online."""
from libc.stdint cimport uint32_t, uint64_t
from minikvm.core.kick cimport get_cpu, kick_many, put_cpu, wake_up
from minikvm.core.native cimport strategy_capsule
from minikvm.core.requests cimport make_request
from minikvm.core.world cimport MK_ABI, MK_REQ_NO_ACTION, MK_REQ_NO_WAKEUP, MK_REQ_WAIT, mk_ctx, mk_strategy, mk_vcpu
from minikvm.strategies._walk cimport begin_targets, next_target, target_walk

from minikvm.kinds import Strategy


cdef int dispatch(mk_ctx *c, const mk_strategy *s, uint32_t req, const uint64_t *targets) except -1 nogil:
    cdef target_walk t
    cdef mk_vcpu *v
    cdef int called
    get_cpu(c)
    t = begin_targets(c, targets)
    v = next_target(c, &t)
    while v is not NULL:
        if not req & MK_REQ_NO_ACTION:
            make_request(c, req, v)
        if not req & MK_REQ_NO_WAKEUP:
            wake_up(c, v)
        # Neither mode nor cpu is looked at, so there is no Dekker pair here: who has not seen the bit is on some pCPU, and every
        # pCPU gets an IPI after the bit was set, or is the current one, where the vCPU cannot be in the guest.
        v = next_target(c, &t)
    called = kick_many(c, NULL, (req & MK_REQ_WAIT) != 0)
    put_cpu(c)
    return called


cdef mk_strategy table
table.abi = MK_ABI
table.size = sizeof(mk_strategy)
table.dispatch = dispatch


class Broadcast(Strategy):
    """Kick everybody online, whoever the targets are: what is left when there is no memory for a mask.

    Source: virt/kvm/kvm_main.c, kvm_kick_many_cpus() with cpus == NULL, before Linux 5.16: zalloc_cpumask_var() had failed.

    When it is right: always, as a fallback; it needs no mask, reads no vcpu.cpu and relies on no order between request and mode.
    Cost: an IPI for every other pCPU on each call, a forced exit of every guest, of other VMs too. There is nothing dearer; the truth table
    of the protocol allows far fewer.
    """

    name = "broadcast"
    requires = frozenset({"acknowledges"})

    def native(self):
        """The mk_strategy capsule; its struct is the module's own."""
        return strategy_capsule(&table)
