"""A polled doorbell for which only the ringer pays: the receiver clears it with a plain store and no barrier.

Ringer: the pending word is set, then membarrier(), then the doorbell. Receiver: clears the doorbell, then looks at the word.
membarrier() puts a full barrier into the receiver at some moment. If the look at the word comes after it, it sees what was set. If it
comes before, so does the clearing, and the doorbell is rung after it: it stays rung for the next look. Rung first and barrier
after, a clearing that is still in the store buffer could wipe the ring out.
"""
from libc.stdint cimport uint32_t, uint64_t
from minikvm.backends._syscalls cimport (
    MEMBARRIER_CMD_PRIVATE_EXPEDITED, MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED, errno, failed, poll_bell, sys_membarrier,
    sys_membarrier_supported)
from minikvm.backends._table cimport BackendTable
from minikvm.core.native cimport backend_capsule
from minikvm.core.world cimport (
    MK_ACQUIRE, MK_BARRIER, MK_RELAXED, mk_backend, mk_bare_fence, mk_bare_load32, mk_bare_store32, mk_ctx, mk_doorbell)

from pydantic import Field

from minikvm.kinds import Backend
from minikvm.kinds import Options as BaseOptions


cdef int open_bell(mk_backend *b, mk_doorbell *d) except -1:
    cdef int error
    if (<BackendTable>b.self).opened:
        return 0
    if not sys_membarrier_supported(MEMBARRIER_CMD_PRIVATE_EXPEDITED | MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED):
        raise OSError(
            errno, "back end membarrier: this kernel does not offer MEMBARRIER_CMD_PRIVATE_EXPEDITED (Linux 4.14 and later do, where it is "
            "built with CONFIG_MEMBARRIER and no seccomp filter is in the way); the back end spin needs nothing of the kernel")
    error = sys_membarrier(MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED)
    if error:
        failed(b"membarrier(REGISTER_PRIVATE_EXPEDITED)", error)
    (<BackendTable>b.self).opened = 1
    return 0


cdef int ring(mk_backend *b, mk_ctx *c, mk_doorbell *d) except -1 nogil:
    # On all threads of the process, never on one CPU (MEMBARRIER_CMD_FLAG_CPU): that names a host CPU, which the receiver may have left.
    cdef int error = sys_membarrier(MEMBARRIER_CMD_PRIVATE_EXPEDITED)
    if error:
        failed(b"membarrier(PRIVATE_EXPEDITED)", error)
    mk_bare_store32(d.bell, MK_RELAXED, 1)
    return 0


cdef int spin(mk_backend *b, mk_ctx *c, mk_doorbell *d, uint32_t idle, uint64_t timeout_ns) except -1 nogil:
    # Who set the word before this thread said that it is in the guest does not ring.
    if mk_bare_load32(d.pending, MK_ACQUIRE) == idle:
        poll_bell(d.bell, 0, timeout_ns, (<BackendTable>b.self).option)
    mk_bare_store32(d.bell, MK_RELAXED, 0)
    # Keeps the caller's look at the pending word after the clearing, in the code. Pairs with the membarrier in ring().
    mk_bare_fence(MK_BARRIER)
    return 0


class Options(BaseOptions):
    """How the poll loop treats a crowded host."""

    yield_every: int = Field(1000, ge=1, le=1_000_000, description="Looks at the doorbell for one sched_yield().")


class Membarrier(Backend):
    """A polled doorbell whose receiver needs no barrier: the ringer makes one for everybody.

    Source: membarrier(2), MEMBARRIER_CMD_PRIVATE_EXPEDITED, Linux 4.14 and later; registered when the VM starts.

    When it is right: for guests that spin, where receiving must cost nothing and rings are few; a guest that sleeps cannot be
    reached. Cost: a ring is a system call that interrupts every host CPU on which a thread of the process runs, whoever is meant.
    """

    name = "membarrier"
    capabilities = frozenset({"acknowledges", "interrupts-spin"})
    cost = "broadcast"
    Options = Options

    def native(self):
        """The mk_backend capsule; its struct is the object's own. OSError from open() where the kernel lacks the command."""
        cdef BackendTable table = BackendTable(self.options.yield_every)
        table.c.open = open_bell
        table.c.ring = ring
        table.c.spin = spin
        self._table = table
        return backend_capsule(&table.c)
