"""How a back end's system call that failed becomes an exception; and the long way to poll a doorbell."""
from libc.stdint cimport uint32_t, uint64_t
from minikvm.core.world cimport MK_RELAXED, mk_atomic32, mk_bare_load32, mk_cpu_relax

import os


cdef int failed(const char *call, int number) except -1 nogil:
    """Raise OSError for errno *number*, naming the call."""
    with gil:
        raise OSError(number, f"{call.decode()}: {os.strerror(number)}")


cdef bint poll_longer(const mk_atomic32 *bell, uint32_t old, uint64_t timeout_ns, uint32_t yield_every) noexcept nogil:
    """poll_bell() after its first looks: now with the clock, and with yields."""
    cdef uint64_t end = 0
    cdef uint64_t now
    cdef uint32_t looks = 0
    cdef uint32_t until_yield = yield_every - CLOCK_EVERY if yield_every > CLOCK_EVERY else 1
    while mk_bare_load32(bell, MK_RELAXED) == old:
        if looks % CLOCK_EVERY == 0 and timeout_ns != MK_FOREVER:
            now = now_ns()
            if end == 0:  # the time begins at the first look at the clock: a ring that comes before it costs none
                end = MK_FOREVER if timeout_ns > MK_FOREVER - now else now + timeout_ns
            elif now >= end:
                return False
        looks += 1
        until_yield -= 1  # counted down: a division would make every look longer, and the guest later
        if until_yield == 0:
            until_yield = yield_every
            sched_yield()
        else:
            mk_cpu_relax()
    return True
