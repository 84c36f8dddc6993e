# cython: language_level=3
"""Fences beyond enum mk_fence_kind: C11's, for programs that are not kernel code, and those that belong to the kernel's locks."""
cdef enum:
    FENCE_ACQUIRE = 16
    FENCE_RELEASE = 17
    FENCE_ACQ_REL = 18
    FENCE_SEQ_CST = 19  # as MK_SMP_MB in rc11, and like it an mfence in tso; lkmm: mb
    FENCE_AFTER_SPINLOCK = 20     # smp_mb__after_spinlock(): mb from all up to the last lock to all that follows
    FENCE_AFTER_UNLOCK_LOCK = 21  # smp_mb__after_unlock_lock(): mb from what is before an unlock, with the next lock, to all that follows
