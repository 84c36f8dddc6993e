"""Python IPI back ends, behind mk_backend (plug.h). Slow by nature: each ring and each sleep takes the GIL."""
cimport cython
from libc.stdint cimport uint32_t, uint64_t
from libc.string cimport memset
from minikvm.core.adapters cimport need, owning_capsule
from minikvm.core.view cimport CurrentVM, entered, left
from minikvm.core.world cimport (
    MK_ABI, MK_ACQUIRE, MK_ADD, MK_RELEASE, MK_SEQ_CST, mk_bare_load32, mk_bare_rmw32, mk_bare_store32, mk_ctx)


cdef mk_doorbell *bell_of(Doorbell door) except NULL:
    if door.d == NULL:
        raise RuntimeError(f"the doorbell of pCPU {door.pcpu} is closed")
    return door.d


@cython.final
cdef class Doorbell:
    """A slot's doorbell, between open and close. ``pcpu``: the slot; ``state``: for the back end to use.

    A receiver in the guest leaves it when ``pending`` is no longer idle; a back end only makes it look.
    """

    def __init__(self):
        raise TypeError("a doorbell is given to back ends, it is not made")

    @property
    def pending(self):
        """The slot's pending word, set before ring() is called; acquire."""
        return mk_bare_load32(bell_of(self).pending, MK_ACQUIRE)

    @property
    def rung(self):
        """Is there something for the guest on this slot to look at? For wait(): test it under the lock that ring() takes."""
        return mk_bare_load32(bell_of(self).pending, MK_ACQUIRE) != self.idle

    @property
    def tid(self):
        """The thread that holds the slot, 0 when none; acquire."""
        return mk_bare_load32(&bell_of(self).tid, MK_ACQUIRE)

    @property
    def bell(self):
        """The back end's own cache line: a counter that is polled. Acquire; assignment is a release."""
        return mk_bare_load32(bell_of(self).bell, MK_ACQUIRE)

    @bell.setter
    def bell(self, value):
        mk_bare_store32(bell_of(self).bell, MK_RELEASE, <uint32_t>value)

    def strike(self):
        """Add one to the bell, seq_cst, and return what it was."""
        return mk_bare_rmw32(bell_of(self).bell, MK_ADD, MK_SEQ_CST, 1, 0)

    @property
    def fd(self):
        """A file descriptor for the back end to use, -1 at first."""
        return bell_of(self).fd

    @fd.setter
    def fd(self, value):
        bell_of(self).fd = value

    def __repr__(self):
        return f"<Doorbell of pCPU {self.pcpu}>"


cdef Doorbell door_at(BackendAdapter self, mk_doorbell *d):
    """The one Doorbell of an address."""
    cdef Doorbell door = self.bells.get(<size_t>d)
    if door is None:
        door = Doorbell.__new__(Doorbell)
        door.d = d
        door.pcpu = d.pcpu
        self.bells[<size_t>d] = door
    return door


cdef int backend_open(mk_backend *b, mk_doorbell *d) except -1 with gil:
    cdef BackendAdapter self = <BackendAdapter>b.self
    try:
        self.plugin.open(door_at(self, d))
    except BaseException:
        expire_door(self, d)  # what was not opened is not closed either
        raise
    return 0


cdef int expire_door(BackendAdapter self, mk_doorbell *d) except -1:
    """The slot's memory may go, and the next slot may stand there: nobody may follow this Doorbell any more."""
    cdef Doorbell door = self.bells.pop(<size_t>d)
    door.d = NULL
    return 0


cdef int backend_close(mk_backend *b, mk_doorbell *d) except -1 with gil:
    cdef BackendAdapter self = <BackendAdapter>b.self
    cdef Doorbell door = door_at(self, d)
    try:
        if hasattr(self.plugin, "close"):
            self.plugin.close(door)
    finally:
        expire_door(self, d)
    return 0


cdef int backend_thread_start(mk_backend *b, mk_ctx *c) except -1 with gil:
    cdef BackendAdapter self = <BackendAdapter>b.self
    cdef CurrentVM vm = entered(self.views, c)
    try:
        self.plugin.thread_start(vm)
    finally:
        left(vm)
    return 0


cdef int backend_ring(mk_backend *b, mk_ctx *c, mk_doorbell *d) except -1 with gil:
    cdef BackendAdapter self = <BackendAdapter>b.self
    cdef CurrentVM vm = entered(self.views, c)
    try:
        self.plugin.ring(vm, door_at(self, d))
    finally:
        left(vm)
    return 0


cdef int backend_wait(mk_backend *b, mk_ctx *c, mk_doorbell *d, uint32_t idle, uint64_t timeout_ns) except -1 with gil:
    cdef BackendAdapter self = <BackendAdapter>b.self
    cdef Doorbell door = door_at(self, d)
    cdef CurrentVM vm = entered(self.views, c)
    door.idle = idle
    try:
        self.plugin.wait(vm, door, timeout_ns)
    finally:
        left(vm)
    return 0


@cython.final
cdef class BackendAdapter:
    """The owner of a Python back end's mk_backend."""


def python_backend(plugin):
    """A minikvm.backend capsule for an object with ``ring(vm, doorbell)`` and ``wait(vm, doorbell, timeout_ns)``.

    wait() is the guest: it returns when ``doorbell.rung``, after the time, or early. Its attribute ``capabilities`` says for which
    guests it serves (interrupts-sleep, interrupts-spin). Optional: open(doorbell), close(doorbell), once a slot; thread_start(vm), on each
    thread that will hold slots.
    """
    cdef BackendAdapter self = BackendAdapter.__new__(BackendAdapter)
    self.plugin = plugin
    self.views = {}
    self.bells = {}
    memset(&self.native, 0, sizeof(self.native))
    self.native.abi = MK_ABI
    self.native.size = sizeof(self.native)
    self.native.self = <void *>self
    need(plugin, "IPI back end", "ring", True)
    self.native.ring = backend_ring
    if need(plugin, "IPI back end", "open", False):
        self.native.open = backend_open
    need(plugin, "IPI back end", "close", False)
    self.native.close = backend_close  # also without a method of the plugin's: no Doorbell may outlive its slot
    if need(plugin, "IPI back end", "thread_start", False):
        self.native.thread_start = backend_thread_start
    need(plugin, "IPI back end", "wait", True)
    can = getattr(plugin, "capabilities", ("interrupts-sleep", "interrupts-spin"))
    if "interrupts-sleep" in can:
        self.native.sleep = backend_wait
    if "interrupts-spin" in can:
        self.native.spin = backend_wait
    return owning_capsule(self, &self.native, b"minikvm.backend")
