"""The doorbell is a cache line that the guest looks at all the time."""
from libc.stdint cimport uint32_t, uint64_t
from minikvm.backends._syscalls cimport poll_bell
from minikvm.backends._table cimport BackendTable
from minikvm.core.native cimport backend_capsule
from minikvm.core.world cimport (
    MK_ACQUIRE, MK_ADD, MK_RELEASE, mk_backend, mk_bare_load32, mk_bare_rmw32, mk_ctx, mk_doorbell, mk_prefetchw)

from pydantic import Field

from minikvm.kinds import Backend
from minikvm.kinds import Options as BaseOptions


cdef int ring(mk_backend *b, mk_ctx *c, mk_doorbell *d) except -1 nogil:
    # Counted, not set: so the receiver need not clear it, and its CPU never has to fetch the line in order to write it. Pairs with the
    # acquire in spin(), which sees what all rings up to the one that it reads were for.
    mk_bare_rmw32(d.bell, MK_ADD, MK_RELEASE, 1, 0)
    return 0


cdef int spin(mk_backend *b, mk_ctx *c, mk_doorbell *d, uint32_t idle, uint64_t timeout_ns) except -1 nogil:
    # First the bell, then the word. A ring that was counted before this look had set the word before, and the next look sees that; any
    # later one ends the poll. Who set the word before this thread said that it is in the guest does not ring. Pairs with the release in
    # ring().
    cdef uint32_t rings = mk_bare_load32(d.bell, MK_ACQUIRE)
    if mk_bare_load32(d.pending, MK_ACQUIRE) == idle:
        poll_bell(d.bell, rings, timeout_ns, (<BackendTable>b.self).option)
        mk_prefetchw(d.pending)  # the caller is going to write it
    return 0


class Options(BaseOptions):
    """How the poll loop treats a crowded host."""

    yield_every: int = Field(1000, ge=1, le=1_000_000, description="Looks at the doorbell for one sched_yield().")


class Spin(Backend):
    """A spinning guest polls a doorbell line of its pCPU: an IPI adds one to it.

    Source: the polled guest of kvm-unit-tests and of real-time hosts (idle=poll); halt polling, kvm_vcpu_halt(), Linux v6.18.

    When it is right: for guests that spin, with no more of them than host CPUs; a guest that sleeps cannot be reached.
    Cost: an atomic addition for a ring, a cache miss for the receiver, and a host CPU for each guest that waits; on a crowded host the
    yields (`yield_every`) decide.
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
