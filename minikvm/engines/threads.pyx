"""The vCPU's own thread is the guest."""
from libc.stdint cimport uint64_t
from minikvm.core.native cimport engine_capsule
from minikvm.core.world cimport MK_ABI, mk_ctx, mk_engine, mk_vcpu

from minikvm.kinds import GuestEngine


cdef int run(mk_ctx *c, mk_engine *e, mk_vcpu *v, uint64_t timeout_ns) except -1 nogil:
    return c.vm.machine.idle_guest(c, v, timeout_ns)


cdef mk_engine ENGINE
ENGINE.abi = MK_ABI
ENGINE.size = sizeof(mk_engine)
ENGINE.run = run


class Threads(GuestEngine):
    """The vCPU's own thread sleeps, or spins, as its guest: needs no hardware, and hundreds of vCPUs run on two CPUs.

    When it is right: always. What is left out is the guest's own code, and what hardware does between VM entry and exit.
    """

    name = "threads"

    def native(self):
        """The mk_engine capsule; its struct is the module's own."""
        return engine_capsule(&ENGINE)
