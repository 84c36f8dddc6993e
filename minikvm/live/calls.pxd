# cython: language_level=3
"""The threads of a live VM: vCPUs, and the initiators of its workload."""
from libc.stdint cimport uint32_t
from minikvm.live.state cimport lctx, line_t, live_t

cdef int issue(lctx *t, line_t *line) except -1 nogil
cdef int run_interrupt(lctx *t, uint32_t pcpu) except -1 nogil
cdef int vcpu_main(lctx *t) except -1 nogil
cdef int task_main(lctx *t) except -1 nogil
cdef int irq_main(lctx *t) except -1 nogil
cdef int wire_main(lctx *t) except -1 nogil
cdef int task_call(lctx *t, line_t *line) except -1 nogil
