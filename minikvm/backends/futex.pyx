"""The receiver sleeps on its pending word itself: the kernel compares it before it puts the thread to sleep."""
from libc.stdint cimport uint32_t, uint64_t
from minikvm.backends._syscalls cimport EAGAIN, EINTR, ETIMEDOUT, failed, sys_futex_wait, sys_futex_wake_all
from minikvm.backends._table cimport BackendTable
from minikvm.core.native cimport backend_capsule
from minikvm.core.world cimport mk_backend, mk_ctx, mk_doorbell

from minikvm.kinds import Backend


cdef int ring(mk_backend *b, mk_ctx *c, mk_doorbell *d) except -1 nogil:
    cdef int error = sys_futex_wake_all(d.pending)
    return failed(b"futex(FUTEX_WAKE)", error) if error else 0


cdef int sleep(mk_backend *b, mk_ctx *c, mk_doorbell *d, uint32_t idle, uint64_t timeout_ns) except -1 nogil:
    # The kernel tests the word and queues the sleeper under one lock, which ring() takes too after the word was set: nothing is lost.
    cdef int error = sys_futex_wait(d.pending, idle, timeout_ns)
    # EAGAIN: the word was not idle any more. EINTR: some signal; returning early is allowed.
    if error and error != EAGAIN and error != EINTR and error != ETIMEDOUT:
        failed(b"futex(FUTEX_WAIT)", error)
    return 0


class Futex(Backend):
    """A sleeping guest waits in the kernel on the pending word itself. The default.

    Source: futex(2), FUTEX_WAIT and FUTEX_WAKE, Linux; the idea is rcuwait's, in user space.

    When it is right: for guests that sleep; a guest that spins is not interrupted. Cost: a system call for a ring, two for a sleep that
    is rung, and the scheduler's time to wake a thread.
    """

    name = "futex"
    capabilities = frozenset({"acknowledges", "interrupts-sleep"})
    cost = "syscall"

    def native(self):
        """The mk_backend capsule; its struct is the object's own."""
        cdef BackendTable table = BackendTable()
        table.c.ring = ring
        table.c.sleep = sleep
        self._table = table
        return backend_capsule(&table.c)
