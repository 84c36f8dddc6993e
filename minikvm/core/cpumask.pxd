"""CPU masks: the C API, after the kernel's include/linux/cpumask.h and lib/cpumask.c.

A mask is a bitmap over the pCPUs ``0 .. nr - 1`` (bitmap.pxd: its words, its readers, its atomics). All is inline, needs
no GIL and allocates nothing; ``nr`` is returned when there is no such pCPU.
"""
from libc.stdint cimport uint32_t, uint64_t

from minikvm.core.bitmap cimport Bitmap, bm_clear, bm_find_next, bm_find_next_and, bm_iter, bm_iter_begin, bm_iter_next, bm_set, bm_zero


cdef enum:
    X2APIC_CLUSTER_SHIFT = 4   # an x2APIC cluster is the 16 ids with the same id >> 4


cdef inline unsigned cpumask_first(const uint64_t *words, unsigned nr) noexcept nogil:
    return bm_find_next(words, nr, 0)


cdef inline unsigned cpumask_next(const uint64_t *words, unsigned nr, int n) noexcept nogil:
    """The first pCPU after *n*; n = -1 gives the first of all."""
    return bm_find_next(words, nr, <unsigned>(n + 1))


cdef inline unsigned cpumask_next_cyclic(const uint64_t *words, unsigned nr, int n) noexcept nogil:
    """The first pCPU after *n*, going on from 0 at the end; *nr* only when the mask is empty (Linux 6.15's cpumask_next_wrap)."""
    cdef unsigned cpu = bm_find_next(words, nr, <unsigned>(n + 1))
    return cpu if cpu < nr else bm_find_next(words, nr, 0)


cdef inline unsigned cpumask_first_wrap(const uint64_t *words, unsigned nr, unsigned start) noexcept nogil:
    """Where the walk that begins at *start* and wraps begins: for_each_cpu_wrap().

        cpu = cpumask_first_wrap(words, nr, start)
        while cpu < nr:
            ...
            cpu = cpumask_next_wrap(words, nr, cpu, start)
    """
    cdef unsigned cpu = bm_find_next(words, nr, start)
    return cpu if cpu < nr else bm_find_next(words, nr, 0)


cdef inline unsigned cpumask_next_wrap(const uint64_t *words, unsigned nr, unsigned n, unsigned start) noexcept nogil:
    """The pCPU after *n* in the walk start .. nr - 1, 0 .. start - 1; *nr* at its end."""
    cdef unsigned cpu
    if start >= nr:
        start = 0
    if n >= start:
        cpu = bm_find_next(words, nr, n + 1)
        if cpu < nr:
            return cpu
        cpu = bm_find_next(words, nr, 0)
    else:
        cpu = bm_find_next(words, nr, n + 1)
    return cpu if cpu < start else nr


cdef inline unsigned cpumask_any_but(const uint64_t *words, unsigned nr, unsigned cpu) noexcept nogil:
    """A pCPU of the mask other than *cpu*."""
    cdef unsigned found = bm_find_next(words, nr, 0)
    return found if found != cpu else bm_find_next(words, nr, found + 1)


cdef inline unsigned cpumask_any_distribute(const uint64_t *words, unsigned nr, unsigned *rotor) noexcept nogil:
    """A pCPU of the mask, another one at each call: the first after *rotor*, which becomes it.

    The kernel keeps a rotor a CPU; here it is the caller's, who must not share it between threads. It may begin as anything.
    """
    cdef unsigned cpu = bm_find_next(words, nr, rotor[0] + 1 if rotor[0] < nr else 0)
    if cpu >= nr:
        cpu = bm_find_next(words, nr, 0)
    if cpu < nr:
        rotor[0] = cpu
    return cpu


cdef inline unsigned cpumask_any_and_distribute(const uint64_t *a, const uint64_t *b, unsigned nr, unsigned *rotor) noexcept nogil:
    """cpumask_any_distribute() over the pCPUs that are in both masks."""
    cdef unsigned cpu = bm_find_next_and(a, b, nr, rotor[0] + 1 if rotor[0] < nr else 0)
    if cpu >= nr:
        cpu = bm_find_next_and(a, b, nr, 0)
    if cpu < nr:
        rotor[0] = cpu
    return cpu


cdef inline bint cpumask_take_group(uint64_t *rest, uint64_t *taken, unsigned nr, const uint32_t *group_of, uint32_t *group) noexcept nogil:
    """Move the first pCPU of *rest*, and all others of its group, to *taken*; False when *rest* is empty.

    ``group_of[pcpu]`` is its NUMA node, or its x2APIC id >> X2APIC_CLUSTER_SHIFT; the group that was taken goes to *group*.
    Called until it returns False it splits a mask with neither an allocation nor a table of groups, as the kernel's
    __x2apic_send_IPI_mask() (arch/x86/kernel/apic/x2apic_cluster.c) does. *rest* and *taken* must not overlap.
    """
    cdef unsigned cpu
    cdef bm_iter it = bm_iter_begin(rest, nr)
    bm_zero(taken, nr)
    if not bm_iter_next(&it, &cpu):
        return False
    group[0] = group_of[cpu]
    bm_clear(rest, cpu)
    bm_set(taken, cpu)
    while bm_iter_next(&it, &cpu):
        if group_of[cpu] == group[0]:
            bm_clear(rest, cpu)
            bm_set(taken, cpu)
    return True


cdef class CpuMask(Bitmap):
    cdef readonly unsigned rotor   # the last pick of any_distribute; nr before the first
