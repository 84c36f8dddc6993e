# cython: language_level=3
"""Fences beyond the kernel's own (enum mk_fence_kind): C11's, for programs that are not kernel code."""
cdef enum:
    FENCE_ACQUIRE = 16
    FENCE_RELEASE = 17
    FENCE_ACQ_REL = 18
    FENCE_SEQ_CST = 19  # as MK_SMP_MB in rc11, and like it an mfence in tso; lkmm: mb
