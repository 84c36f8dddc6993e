"""The doorbell is a cache line that the guest looks at all the time."""
from libc.stdint cimport uint32_t, uint64_t
from minikvm.backends._syscalls cimport poll_bell
from minikvm.backends._table cimport BackendTable
from minikvm.core.native cimport backend_capsule
from minikvm.core.world cimport (
    MK_ACQ_REL, MK_ACQUIRE, MK_RELAXED, MK_RELEASE, MK_XCHG, mk_backend, mk_bare_load32, mk_bare_rmw32, mk_bare_store32, mk_ctx,
    mk_doorbell)

from pydantic import Field

from minikvm.kinds import Backend
from minikvm.kinds import Options as BaseOptions


cdef int ring(mk_backend *b, mk_ctx *c, mk_doorbell *d) except -1 nogil:
    mk_bare_store32(d.bell, MK_RELEASE, 1)  # pairs with the exchange in spin()
    return 0


cdef int spin(mk_backend *b, mk_ctx *c, mk_doorbell *d, uint32_t idle, uint64_t timeout_ns) except -1 nogil:
    # Who set the word before this thread said that it is in the guest does not ring.
    if mk_bare_load32(d.pending, MK_ACQUIRE) == idle:
        poll_bell(d.bell, timeout_ns, (<BackendTable>b.self).option)
    if mk_bare_load32(d.pending, MK_ACQUIRE) != idle:
        # The caller is going to leave the guest, and a store is enough. What it wipes out was rung for what is pending now: one ring for
        # each stay. Who rings in the next one has read the word that the caller writes when it comes back, so that ring comes later.
        mk_bare_store32(d.bell, MK_RELAXED, 0)
        return 0
    # A late ring for an earlier stay, or the end of the time: the guest goes on, and a ring may come at any moment. An exchange reads the
    # last one there was, so the caller, who looks at the word next, sees what it was for; a store could wipe it out when that look is
    # already done. Pairs with the release in ring().
    mk_bare_rmw32(d.bell, MK_XCHG, MK_ACQ_REL, 0, 0)
    return 0


class Options(BaseOptions):
    """How the poll loop treats a crowded host."""

    yield_every: int = Field(1000, ge=1, le=1_000_000, description="Looks at the doorbell for one sched_yield().")


class Spin(Backend):
    """A spinning guest polls a doorbell line of its pCPU: an IPI is one store.

    Source: the polled guest of kvm-unit-tests and of real-time hosts (idle=poll); halt polling, kvm_vcpu_halt(), Linux v6.18.

    When it is right: for guests that spin, with no more of them than host CPUs; a guest that sleeps cannot be reached.
    Cost: a store for a ring, a cache miss for the receiver, and a host CPU for each guest that waits; on a crowded host the yields
    (`yield_every`) decide.
    """

    name = "spin"
    capabilities = frozenset({"acknowledges", "interrupts-spin"})
    cost = "memory"
    Options = Options

    def native(self):
        """The mk_backend capsule; its struct is the object's own."""
        cdef BackendTable table = BackendTable(self.options.yield_every)
        table.c.ring = ring
        table.c.spin = spin
        self._table = table
        return backend_capsule(&table.c)
