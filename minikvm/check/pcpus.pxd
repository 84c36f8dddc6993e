# cython: language_level=3
"""The checked machine: pCPU slots, IPIs and their acknowledgements, sleeping, migration. What lies beneath the kick path."""
from libc.stdint cimport int32_t, uint64_t
from minikvm.check.scene cimport kthread
from minikvm.core.world cimport mk_machine, mk_vcpu

cdef mk_machine checked_machine

cdef int take_pcpu(kthread *k, int32_t pcpu) except -1 nogil
cdef int leave_pcpu(kthread *k) except -1 nogil
cdef int move_if_wanted(kthread *k, mk_vcpu *v) except -1 nogil
cdef int await_change(kthread *k, mk_vcpu *v, uint64_t seen) except -1 nogil
# At a point with IRQs on: interrupts of the workload may strike the thread that holds the pCPU. With preemption on as well: another task.
cdef int interrupts_here(kthread *k) except -1 nogil
cdef int preempted_here(kthread *k) except -1 nogil
# At a barrier() of the compiler: a membarrier() may strike, whatever the soft IRQ flag says.
cdef int barrier_reached(kthread *k) except -1 nogil
cdef int take_interrupt(kthread *k, int32_t number) except -1 nogil
