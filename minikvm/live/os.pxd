# cython: language_level=3
"""The system calls that live stands on. Each returns at once on EINTR or EAGAIN: every caller looks again."""
from libc.stdint cimport int32_t, uint32_t, uint64_t
from minikvm.core.world cimport mk_atomic32

cdef extern from *:
    """
    #ifndef MINIKVM_LIVE_OS
    #define MINIKVM_LIVE_OS
    #include <errno.h>
    #include <limits.h>
    #include <linux/futex.h>
    #include <linux/membarrier.h>
    #include <pthread.h>
    #include <sched.h>
    #include <sys/syscall.h>
    #include <time.h>
    #include <unistd.h>
    #include <minikvm/minikvm.h>
    static inline uint64_t os_now(void)
    {
        struct timespec t;
        clock_gettime(CLOCK_MONOTONIC, &t);
        return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
    }
    static inline struct timespec os_timespec(uint64_t ns)
    {
        struct timespec t = { (time_t)(ns / 1000000000u), (long)(ns % 1000000000u) };
        return t;
    }
    /* Sleep while *word == value, at most ns nanoseconds. */
    static inline void os_futex_wait(mk_atomic32 *word, uint32_t value, uint64_t ns)
    {
        struct timespec t = os_timespec(ns);
        syscall(SYS_futex, word, FUTEX_WAIT_PRIVATE, value, &t, NULL, 0);
    }
    static inline void os_futex_wake(mk_atomic32 *word, int n)
    {
        syscall(SYS_futex, word, FUTEX_WAKE_PRIVATE, n, NULL, NULL, 0);
    }
    static inline void os_sleep(uint64_t ns)
    {
        struct timespec t = os_timespec(ns);
        nanosleep(&t, NULL);
    }
    static inline int32_t os_gettid(void) { return (int32_t)syscall(SYS_gettid); }
    static inline long os_membarrier(int command) { return syscall(SYS_membarrier, command, 0, 0); }
    #endif
    """
    uint64_t os_now() noexcept nogil
    void os_futex_wait(mk_atomic32 *word, uint32_t value, uint64_t ns) noexcept nogil
    void os_futex_wake(mk_atomic32 *word, int n) noexcept nogil
    void os_sleep(uint64_t ns) noexcept nogil
    int32_t os_gettid() noexcept nogil
    long os_membarrier(int command) noexcept nogil
    enum: MEMBARRIER_CMD_PRIVATE_EXPEDITED, MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED
    ctypedef struct pthread_mutex_t:
        pass
    int pthread_mutex_init(pthread_mutex_t *, void *) noexcept nogil
    int pthread_mutex_lock(pthread_mutex_t *) noexcept nogil
    int pthread_mutex_trylock(pthread_mutex_t *) noexcept nogil
    int pthread_mutex_unlock(pthread_mutex_t *) noexcept nogil
    int pthread_mutex_destroy(pthread_mutex_t *) noexcept nogil
    int sched_yield() noexcept nogil
