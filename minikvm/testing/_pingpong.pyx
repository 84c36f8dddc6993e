"""Two slots and two threads over one back end, without a VM: the ring and the guest's wait, as a machine uses them.

A slot's pending word has two bits: WORK, set by the sender, and IN_GUEST, set by the receiver before it sleeps or spins. The sender
rings only a receiver that said IN_GUEST; the receiver waits only if there was no WORK when it said so. A ring that is lost shows
as a wait that ends by its timeout although WORK is there.
"""
cimport cython
from libc.stdint cimport uint32_t, uint64_t
from minikvm.core.native cimport backend_from
from minikvm.core.world cimport (
    MK_ABI, MK_AND, MK_CTX_TASK, MK_OR, MK_SEQ_CST, mk_atomic32, mk_backend, mk_bare_rmw32, mk_bare_store32,
    mk_ctx, mk_doorbell, mk_vm)

import threading

cdef extern from *:
    """
    #include <time.h>
    typedef struct { mk_atomic32 word; char apart[124]; } mk_line;
    static uint64_t mk_clock_ns(void)
    {
        struct timespec now;
        clock_gettime(CLOCK_MONOTONIC, &now);
        return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
    }
    """
    ctypedef struct mk_line:
        mk_atomic32 word
    uint64_t clock_ns "mk_clock_ns"() noexcept nogil

cdef enum:
    WORK = 1
    IN_GUEST = 2


@cython.final
cdef class PingPong:
    """``PingPong(backend)``: *backend* a Backend with native(). spin: its guests spin instead of sleeping.

    lost: waits that ended by their timeout with work pending. Close it after use.
    """

    cdef object backend, capsule
    cdef mk_backend *b
    cdef mk_vm vm
    cdef mk_ctx ctx[2]
    cdef mk_doorbell bells[2]
    cdef mk_line[4] lines
    cdef bint spins
    cdef readonly unsigned opened
    cdef uint64_t[2] losses  # one for each side: its own thread alone writes it

    def __cinit__(self, backend, bint spin=False):
        cdef int i
        self.backend = backend
        self.capsule = backend.native()
        self.b = backend_from(self.capsule)
        self.spins = spin
        if (self.b.spin if spin else self.b.sleep) == NULL:
            raise ValueError(f"back end {backend.name}: it has no {'spin' if spin else 'sleep'}")
        self.vm.abi = MK_ABI
        for i in range(2):
            self.ctx[i].vm = &self.vm
            self.ctx[i].kind = MK_CTX_TASK
            self.ctx[i].pcpu = i
            self.bells[i].pending = &self.lines[i].word
            self.bells[i].bell = &self.lines[2 + i].word
            self.bells[i].pcpu = i
            self.bells[i].fd = -1
            if self.b.open != NULL:
                self.b.open(self.b, &self.bells[i])
            self.opened += 1

    def close(self):
        """Close the doorbells."""
        while self.opened:
            self.opened -= 1
            if self.b.close != NULL:
                self.b.close(self.b, &self.bells[self.opened])

    @property
    def lost(self):
        """Of both sides; read it when neither plays."""
        return self.losses[0] + self.losses[1]

    @property
    def abilities(self):
        """Which of sleep and spin the struct has."""
        return {name for name, there in (("sleep", self.b.sleep != NULL), ("spin", self.b.spin != NULL)) if there}

    def take(self, unsigned who):
        """The calling thread takes slot *who*, as a machine's thread does."""
        if self.b.thread_start != NULL:
            self.b.thread_start(self.b, &self.ctx[who])
        self.hold(who, threading.get_native_id())

    def hold(self, unsigned who, uint32_t tid):
        """Publish *tid* as the thread on slot *who*; 0: none."""
        mk_bare_store32(&self.bells[who].tid, MK_SEQ_CST, tid)

    def mark(self, unsigned who):
        """Set WORK on slot *who*, and do not ring. True when it said IN_GUEST."""
        return (mk_bare_rmw32(self.bells[who].pending, MK_OR, MK_SEQ_CST, WORK, 0) & IN_GUEST) != 0

    def ring(self, unsigned who):
        """Ring slot *who*, whatever it does."""
        with nogil:
            self.b.ring(self.b, &self.ctx[1 - who], &self.bells[who])

    def wait(self, unsigned who, uint64_t timeout_ns):
        """One stay in the guest on slot *who*; (nanoseconds that it took, whether there was work). Takes the work away."""
        cdef uint64_t took = 0
        cdef int work
        with nogil:
            work = stay(self, who, timeout_ns, True, &took)
        return took, work == 1

    def side(self, unsigned who, uint64_t rounds, uint64_t timeout_ns):
        """Play *rounds* rounds as side 0 (which begins) or 1, without the GIL. Returns the rounds played; fewer when something was lost."""
        cdef uint64_t played = 0
        self.take(who)
        with nogil:
            while played < rounds:
                if who == 0:
                    send(self, 1)
                if not await_work(self, who, timeout_ns):
                    break
                if who == 1:
                    send(self, 0)
                played += 1
        return played


cdef int send(PingPong self, unsigned who) except -1 nogil:
    if mk_bare_rmw32(self.bells[who].pending, MK_OR, MK_SEQ_CST, WORK, 0) & IN_GUEST:
        self.b.ring(self.b, &self.ctx[1 - who], &self.bells[who])
    return 0


cdef int stay(PingPong self, unsigned who, uint64_t timeout_ns, bint always, uint64_t *took) except -1 nogil:
    """1: there was work, and it is taken; 0: none. *always*: call the back end although there was work before."""
    cdef mk_doorbell *d = &self.bells[who]
    cdef uint64_t before
    if always or not mk_bare_rmw32(d.pending, MK_OR, MK_SEQ_CST, IN_GUEST, 0) & WORK:
        mk_bare_rmw32(d.pending, MK_OR, MK_SEQ_CST, IN_GUEST, 0)
        before = clock_ns()
        (self.b.spin if self.spins else self.b.sleep)(self.b, &self.ctx[who], d, IN_GUEST, timeout_ns)
        took[0] = clock_ns() - before
    return mk_bare_rmw32(d.pending, MK_AND, MK_SEQ_CST, 0, 0) & WORK


cdef int await_work(PingPong self, unsigned who, uint64_t timeout_ns) except -1 nogil:
    """1: work came; 0: a ring was lost, or nothing came for a whole timeout."""
    cdef uint64_t took = 0
    cdef int work = 0
    while not work:
        work = stay(self, who, timeout_ns, False, &took)
        if took >= timeout_ns:
            self.losses[who] += work
            return 0
    return 1
