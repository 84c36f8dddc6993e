# cython: language_level=3
"""The checked machine: pCPU slots, IPIs and their acknowledgements, sleeping, migration. What lies beneath the kick path."""
from libc.stdint cimport int32_t, uint64_t
from minikvm.check.scene cimport kthread
from minikvm.core.world cimport mk_ctx, mk_machine, mk_vcpu

cdef mk_machine checked_machine

cdef int take_pcpu(kthread *k, int32_t pcpu) except -1 nogil
cdef int leave_pcpu(kthread *k) except -1 nogil
cdef int move_if_wanted(kthread *k, mk_vcpu *v) except -1 nogil
cdef int await_change(kthread *k, mk_vcpu *v, uint64_t seen) except -1 nogil
# At a barrier() of the compiler: a membarrier() may strike, whatever the soft IRQ flag says.
cdef int barrier_reached(kthread *k) except -1 nogil
cdef int post(kthread *k, int32_t pcpu, uint64_t bit, int32_t acks) except -1 nogil
cdef int raise_on(kthread *k, int32_t pcpu) except -1 nogil
cdef int service(kthread *k) except -1 nogil
cdef int m_schedule(mk_ctx *c) except -1 nogil
