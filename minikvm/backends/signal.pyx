"""A real-time signal to the thread that holds the slot, as a VMM kicks its vCPU threads.

The signal is blocked in every thread that holds slots, and open only while that thread is in the guest: in ppoll(), which opens it and
sleeps in one step, or around the spinning. One that comes in between stays queued and ends the next stay at once; one that
reaches a thread which has given its slot up is a spurious wake-up, no more.
"""
from libc.stdint cimport uint32_t, uint64_t
from minikvm.backends._syscalls cimport EAGAIN, EINTR, ESRCH, failed, now_ns, poll_bell, sched_yield
from minikvm.backends._table cimport BackendTable
from minikvm.core.native cimport backend_capsule
from minikvm.core.world cimport (
    MK_ACQUIRE, MK_RELAXED, mk_atomic32, mk_backend, mk_bare_load32, mk_bare_store32, mk_ctx, mk_doorbell)

import signal as signals

from pydantic import Field

from minikvm.kinds import Backend
from minikvm.kinds import Options as BaseOptions

cdef extern from *:
    """
    /* Set by the handler, polled by a guest that spins. thread_start touches it, so that the handler never allocates it. */
    static __thread mk_atomic32 mk_rung;

    static void mk_on_signal(int number)
    {
        (void)number;
        mk_bare_store32(&mk_rung, MK_RELAXED, 1);
    }
    static mk_atomic32 *mk_rung_here(void) { return &mk_rung; }

    /* Process-wide, as signal actions are: how many VMs use a signal, and what was there before the first. Under the GIL. */
    static struct { int users; struct sigaction before; } mk_signals[128];

    /* Of this process, asked for at each open: getpid() is a system call, and a ring is to be one system call, not two. */
    static pid_t mk_signal_pid;

    static int mk_signal_open(int number) /* 0, an errno, or -1: somebody else handles it */
    {
        struct sigaction action = {.sa_handler = mk_on_signal}, old;
        mk_signal_pid = getpid();
        if (mk_signals[number].users++ > 0)
            return 0;
        sigfillset(&action.sa_mask);
        if (sigaction(number, NULL, &old) == 0 &&
            ((old.sa_flags & SA_SIGINFO) || (old.sa_handler != SIG_DFL && old.sa_handler != SIG_IGN))) {
            mk_signals[number].users--;
            return -1;
        }
        if (sigaction(number, &action, &mk_signals[number].before) < 0) { /* no SA_RESTART: it is there to end system calls */
            mk_signals[number].users--;
            return errno;
        }
        return 0;
    }
    static int mk_signal_close(int number)
    {
        if (mk_signals[number].users == 0 || --mk_signals[number].users > 0)
            return 0;
        return sigaction(number, &mk_signals[number].before, NULL) < 0 ? errno : 0;
    }
    static int mk_signal_mask(int how, int number)
    {
        sigset_t set;
        sigemptyset(&set);
        sigaddset(&set, number);
        return pthread_sigmask(how, &set, NULL);
    }
    /* What ppoll() opens: the thread's own mask as it was at its start, without the signal. Kept, or each sleep would ask for it. */
    static __thread sigset_t mk_signal_opened;
    static int mk_signal_thread_start(int number)
    {
        int error = mk_signal_mask(SIG_BLOCK, number);
        if (!error)
            error = pthread_sigmask(SIG_SETMASK, NULL, &mk_signal_opened);
        sigdelset(&mk_signal_opened, number);
        return error;
    }
    static int mk_signal_sleep(int number, uint64_t timeout_ns)
    {
        struct timespec t;
        sigset_t one;
        int error;
        if (ppoll(NULL, 0, mk_timeout(&t, timeout_ns), &mk_signal_opened) == 0)
            return 0;
        error = errno;
        /* ppoll() delivers one signal and blocks it again; a real-time signal is queued for each ring. Take the others too: their words
           were set before, and the caller looks next. Else each of them would end a later stay, and the queue would fill up. */
        sigemptyset(&one);
        sigaddset(&one, number);
        while (sigtimedwait(&one, NULL, &(struct timespec){0, 0}) > 0)
            ;
        return error;
    }
    static int mk_signal_send(uint32_t tid, int number)
    {
        return syscall(SYS_tgkill, mk_signal_pid, tid, number) < 0 ? errno : 0;
    }
    """
    mk_atomic32 *rung_here "mk_rung_here"() noexcept nogil
    int signal_open "mk_signal_open"(int number) noexcept
    int signal_close "mk_signal_close"(int number) noexcept
    int signal_mask "mk_signal_mask"(int how, int number) noexcept nogil
    int signal_thread_start "mk_signal_thread_start"(int number) noexcept nogil
    int signal_sleep "mk_signal_sleep"(int number, uint64_t timeout_ns) noexcept nogil
    int signal_send "mk_signal_send"(uint32_t tid, int number) noexcept nogil
    int SIG_BLOCK, SIG_UNBLOCK

cdef enum:
    FULL_QUEUE_YIELDS = 1000         # the least that a queue of signals stays full before it is an error: on a busy host a yield
    FULL_QUEUE_NS = 500_000_000      # gives the receivers their turn and may last milliseconds; on an idle one it lasts no time
    YIELD_EVERY = 1000               # looks of a spinning guest for one sched_yield()


cdef int open_bell(mk_backend *b, mk_doorbell *d) except -1:
    cdef BackendTable table = <BackendTable>b.self
    cdef int error = 0
    if table.opened == 0:
        error = signal_open(<int>table.option)
    if error == -1:
        raise OSError(f"back end signal: signal {table.option} has a handler already, which belongs to another part of this program; "
                      f"choose another with the option `signal` ({signals.SIGRTMIN}..{signals.SIGRTMAX})")
    if error:
        failed(b"sigaction", error)
    table.opened += 1
    return 0


cdef int close_bell(mk_backend *b, mk_doorbell *d) except -1:
    cdef BackendTable table = <BackendTable>b.self
    cdef int error
    if table.opened == 0:
        return 0
    table.opened -= 1
    error = signal_close(<int>table.option) if table.opened == 0 else 0
    return failed(b"sigaction", error) if error else 0


cdef int thread_start(mk_backend *b, mk_ctx *c) except -1 nogil:
    cdef int error = signal_thread_start(<int>(<BackendTable>b.self).option)
    mk_bare_store32(rung_here(), MK_RELAXED, 0)
    return failed(b"pthread_sigmask", error) if error else 0


cdef int ring(mk_backend *b, mk_ctx *c, mk_doorbell *d) except -1 nogil:
    cdef uint32_t tid = mk_bare_load32(&d.tid, MK_RELAXED)
    cdef int error, tries = 0
    cdef uint64_t began
    if tid == 0:  # the slot is free by now: its pending word is looked at when it is taken
        return 0
    error = signal_send(tid, <int>(<BackendTable>b.self).option)
    if error == EAGAIN:
        # The user's queue of real-time signals is full (RLIMIT_SIGPENDING): receivers drain it when they enter the guest.
        began = now_ns()
        while error == EAGAIN and (tries < FULL_QUEUE_YIELDS or now_ns() - began < FULL_QUEUE_NS):
            sched_yield()
            tries += 1
            error = signal_send(tid, <int>(<BackendTable>b.self).option)
    if error and error != ESRCH:  # ESRCH: the thread has ended, and held no slot then
        failed(b"tgkill", error)
    return 0


cdef int sleep(mk_backend *b, mk_ctx *c, mk_doorbell *d, uint32_t idle, uint64_t timeout_ns) except -1 nogil:
    cdef int error
    # Who set the word before this thread said that it is in the guest does not ring. The signal is blocked here: one that comes
    # between this look and the sleep stays queued, and ppoll() opens it and returns.
    if mk_bare_load32(d.pending, MK_ACQUIRE) != idle:
        return 0
    error = signal_sleep(<int>(<BackendTable>b.self).option, timeout_ns)
    if error and error != EINTR:
        failed(b"ppoll", error)
    return 0


cdef int spin(mk_backend *b, mk_ctx *c, mk_doorbell *d, uint32_t idle, uint64_t timeout_ns) except -1 nogil:
    cdef int number = <int>(<BackendTable>b.self).option
    cdef int error
    if mk_bare_load32(d.pending, MK_ACQUIRE) != idle:
        return 0
    mk_bare_store32(rung_here(), MK_RELAXED, 0)  # while it is blocked: no ring can be wiped out
    error = signal_mask(SIG_UNBLOCK, number)
    if not error:
        poll_bell(rung_here(), 0, timeout_ns, YIELD_EVERY)
        error = signal_mask(SIG_BLOCK, number)
    return failed(b"pthread_sigmask", error) if error else 0


class Options(BaseOptions):
    """Which signal."""

    signal: int = Field(
        signals.SIGRTMIN + 3, ge=signals.SIGRTMIN, le=signals.SIGRTMAX,
        description="The real-time signal; one that no other part of the process uses.")


class Signal(Backend):
    """A real-time signal to the thread on the slot ends the guest, whether it sleeps or spins.

    Source: how VMMs kick a vCPU out of KVM_RUN: Documentation/virt/kvm/api.rst, KVM_SET_SIGNAL_MASK and immediate_exit, Linux v6.18;
    QEMU's SIG_IPI, Firecracker's VCPU_RTSIG_OFFSET.

    When it is right: always on Linux, and the only one that interrupts both a sleeping and a spinning guest; what a VM with real vCPUs
    needs too. Cost: a system call and a signal's delivery for a ring; two more system calls around a stay that spins.
    """

    name = "signal"
    capabilities = frozenset({"acknowledges", "interrupts-sleep", "interrupts-spin"})
    cost = "signal"
    Options = Options

    def native(self):
        """The mk_backend capsule; its struct is the object's own. OSError from open() where another handler has the signal."""
        cdef BackendTable table = BackendTable(self.options.signal)
        table.c.open = open_bell
        table.c.close = close_bell
        table.c.thread_start = thread_start
        table.c.ring = ring
        table.c.sleep = sleep
        table.c.spin = spin
        self._table = table
        return backend_capsule(&table.c)
