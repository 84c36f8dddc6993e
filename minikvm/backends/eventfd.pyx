"""The doorbell is an eventfd: a ring that comes early leaves it readable, so the poll that follows returns at once."""
from libc.stdint cimport uint32_t, uint64_t
from minikvm.backends._syscalls cimport (
    EAGAIN, EFD_CLOEXEC, EFD_NONBLOCK, EINTR, close, errno, eventfd, failed, sys_eventfd_add, sys_eventfd_drain, sys_poll_in)
from minikvm.backends._table cimport BackendTable
from minikvm.core.native cimport backend_capsule
from minikvm.core.world cimport MK_ACQUIRE, mk_backend, mk_bare_load32, mk_ctx, mk_doorbell

from minikvm.kinds import Backend


cdef int open_bell(mk_backend *b, mk_doorbell *d) except -1:
    d.fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC)
    return failed(b"eventfd", errno) if d.fd < 0 else 0


cdef int close_bell(mk_backend *b, mk_doorbell *d) except -1:
    cdef int fd = d.fd
    d.fd = -1
    return failed(b"close(eventfd)", errno) if fd >= 0 and close(fd) < 0 else 0


cdef int ring(mk_backend *b, mk_ctx *c, mk_doorbell *d) except -1 nogil:
    cdef int error = EINTR
    while error == EINTR:
        error = sys_eventfd_add(d.fd)
    # EAGAIN: the counter is full, so it is readable.
    return failed(b"write(eventfd)", error) if error and error != EAGAIN else 0


cdef int sleep(mk_backend *b, mk_ctx *c, mk_doorbell *d, uint32_t idle, uint64_t timeout_ns) except -1 nogil:
    cdef int error
    # Who set the word before this thread said that it is in the guest does not ring.
    if mk_bare_load32(d.pending, MK_ACQUIRE) != idle:
        return 0
    error = sys_poll_in(d.fd, timeout_ns)
    if error and error != EINTR:
        failed(b"ppoll(eventfd)", error)
    # Drained before the caller looks at the word: a ring after this read stays, one before it came after its word was set.
    error = sys_eventfd_drain(d.fd)
    if error and error != EAGAIN and error != EINTR:
        failed(b"read(eventfd)", error)
    return 0


class EventFd(Backend):
    """A sleeping guest polls an eventfd, one for each pCPU.

    Source: eventfd(2) and ppoll(2), Linux; the form in which VMMs hear of each other's events (irqfd, ioeventfd).

    When it is right: for guests that sleep, and where the guest shall wait for other descriptors too; a guest that spins is not
    interrupted. Cost: a system call for a ring, two or three for a sleep, and a descriptor for each pCPU.
    """

    name = "eventfd"
    capabilities = frozenset({"acknowledges", "interrupts-sleep"})
    cost = "syscall"

    def native(self):
        """The mk_backend capsule; its struct is the object's own."""
        cdef BackendTable table = BackendTable()
        table.c.open = open_bell
        table.c.close = close_bell
        table.c.ring = ring
        table.c.sleep = sleep
        self._table = table
        return backend_capsule(&table.c)
