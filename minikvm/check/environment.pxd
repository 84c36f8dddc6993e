# cython: language_level=3
"""The environment of the checked machine, and what guests do."""
from libc.stdint cimport int32_t, uint64_t
from minikvm.check.scene cimport kthread
from minikvm.core.world cimport mk_ctx, mk_vcpu

# At a point with IRQs on: interrupts of the workload may strike the thread that holds the pCPU. With preemption on as well: another task.
cdef int interrupts_here(kthread *k) except -1 nogil
cdef int preempted_here(kthread *k) except -1 nogil
cdef int take_interrupt(kthread *k, int32_t number) except -1 nogil

# Of struct mk_machine.
cdef int m_wake(mk_ctx *c, mk_vcpu *v) except -1 nogil
cdef int m_walk(mk_ctx *c, mk_vcpu *v) except -1 nogil
cdef int m_handle(mk_ctx *c, mk_vcpu *v, unsigned nr) except -1 nogil
cdef int m_migrate(mk_ctx *c, mk_vcpu *v, int walk) except -1 nogil
cdef int m_preempt(mk_ctx *c) except -1 nogil
cdef int m_delay(mk_ctx *c, uint64_t ns) except -1 nogil
cdef int m_spurious_ipi(mk_ctx *c, int32_t pcpu) except -1 nogil
cdef int m_spurious_wakeup(mk_ctx *c, mk_vcpu *v) except -1 nogil
cdef int undeclared(kthread *k, const char *word) except -1 nogil
