# cython: language_level=3
"""What the back ends ask of the kernel and of the clock, without the GIL."""
from libc.stdint cimport uint32_t, uint64_t
from minikvm.core.world cimport mk_atomic32, mk_bare_load32, mk_cpu_relax, MK_RELAXED

cdef extern from *:
    """
    #include <errno.h>
    #include <limits.h>
    #include <linux/futex.h>
    #include <linux/membarrier.h>
    #include <poll.h>
    #include <sched.h>
    #include <signal.h>
    #include <sys/eventfd.h>
    #include <sys/syscall.h>
    #include <time.h>
    #include <unistd.h>
    #include <minikvm/minikvm.h>

    #define MK_FOREVER UINT64_MAX

    MK_INLINE uint64_t mk_now_ns(void)
    {
        struct timespec now;
        clock_gettime(CLOCK_MONOTONIC, &now);
        return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
    }
    /* The timeout as the kernel wants it; NULL is for ever. */
    MK_INLINE const struct timespec *mk_timeout(struct timespec *t, uint64_t ns)
    {
        t->tv_sec = (time_t)(ns / 1000000000u);
        t->tv_nsec = (long)(ns % 1000000000u);
        return ns == MK_FOREVER ? NULL : t;
    }
    /* All of these: 0, or the errno. */
    MK_INLINE int mk_sys_futex_wait(mk_atomic32 *word, uint32_t expected, uint64_t timeout_ns)
    {
        struct timespec t;
        return syscall(SYS_futex, word, FUTEX_WAIT_PRIVATE, expected, mk_timeout(&t, timeout_ns), NULL, 0) < 0 ? errno : 0;
    }
    MK_INLINE int mk_sys_futex_wake_all(mk_atomic32 *word)
    {
        return syscall(SYS_futex, word, FUTEX_WAKE_PRIVATE, INT_MAX, NULL, NULL, 0) < 0 ? errno : 0;
    }
    MK_INLINE int mk_sys_poll_in(int fd, uint64_t timeout_ns)
    {
        struct pollfd p = {.fd = fd, .events = POLLIN};
        struct timespec t;
        if (ppoll(&p, 1, mk_timeout(&t, timeout_ns), NULL) < 0)
            return errno;
        return p.revents & POLLNVAL ? EBADF : 0;
    }
    MK_INLINE int mk_sys_eventfd_add(int fd)
    {
        uint64_t one = 1;
        return write(fd, &one, sizeof one) < 0 ? errno : 0;
    }
    MK_INLINE int mk_sys_eventfd_drain(int fd)
    {
        uint64_t count;
        return read(fd, &count, sizeof count) < 0 ? errno : 0;
    }
    MK_INLINE int mk_sys_membarrier(int command)
    {
        return syscall(SYS_membarrier, command, 0, 0) < 0 ? errno : 0;
    }
    MK_INLINE int mk_sys_membarrier_supported(int commands) /* 1: all of them; 0: no, with errno */
    {
        long known = syscall(SYS_membarrier, MEMBARRIER_CMD_QUERY, 0, 0);
        if (known >= 0)
            errno = EINVAL;
        return known >= 0 && (known & commands) == commands;
    }
    """
    const uint64_t MK_FOREVER
    int errno
    int EINTR, EAGAIN, ESRCH, ETIMEDOUT, ENOSYS
    int EFD_NONBLOCK, EFD_CLOEXEC
    int MEMBARRIER_CMD_PRIVATE_EXPEDITED, MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED
    uint64_t now_ns "mk_now_ns"() noexcept nogil
    int sys_futex_wait "mk_sys_futex_wait"(mk_atomic32 *word, uint32_t expected, uint64_t timeout_ns) noexcept nogil
    int sys_futex_wake_all "mk_sys_futex_wake_all"(mk_atomic32 *word) noexcept nogil
    int sys_poll_in "mk_sys_poll_in"(int fd, uint64_t timeout_ns) noexcept nogil
    int sys_eventfd_add "mk_sys_eventfd_add"(int fd) noexcept nogil
    int sys_eventfd_drain "mk_sys_eventfd_drain"(int fd) noexcept nogil
    int sys_membarrier "mk_sys_membarrier"(int command) noexcept nogil
    bint sys_membarrier_supported "mk_sys_membarrier_supported"(int commands) noexcept nogil
    int eventfd(unsigned initial, int flags) noexcept nogil
    int close(int fd) noexcept nogil
    int sched_yield() noexcept nogil

cdef enum:
    CLOCK_EVERY = 64  # looks at the doorbell for one look at the clock


cdef bint poll_longer(const mk_atomic32 *bell, uint32_t old, uint64_t timeout_ns, uint32_t yield_every) noexcept nogil


cdef inline bint poll_bell(const mk_atomic32 *bell, uint32_t old, uint64_t timeout_ns, uint32_t yield_every) noexcept nogil:
    """Look at *bell* until it is not *old* (True), or for *timeout_ns* (False). Never sleeps, but yields: hosts are overcommitted."""
    # The first looks are without calls, so that a compiler needs no stack frame here, and a guest that is rung soon leaves without delay.
    cdef uint32_t looks = yield_every if yield_every < CLOCK_EVERY else CLOCK_EVERY
    while mk_bare_load32(bell, MK_RELAXED) == old:
        looks -= 1
        if looks == 0:
            return poll_longer(bell, old, timeout_ns, yield_every)
        mk_cpu_relax()
    return True


cdef int failed(const char *call, int number) except -1 nogil
