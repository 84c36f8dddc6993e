# cython: language_level=3
"""What race injectors may do to a live VM. Each does nothing where the protocol would not allow it, and returns 1 when it acted."""
from libc.stdint cimport int32_t, uint64_t
from minikvm.core.world cimport mk_ctx, mk_vcpu

cdef int migrate(mk_ctx *c, mk_vcpu *v, int walk) except -1 nogil
cdef int preempt(mk_ctx *c) except -1 nogil
cdef int delay(mk_ctx *c, uint64_t ns) except -1 nogil
cdef int spurious_ipi(mk_ctx *c, int32_t pcpu) except -1 nogil
cdef int spurious_wakeup(mk_ctx *c, mk_vcpu *v) except -1 nogil
