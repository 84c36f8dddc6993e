# cython: language_level=3
"""What each thread of a scene does: a vCPU, a task, an interrupt."""

cdef int vcpu_body(void *arg) except -1 nogil
cdef int task_body(void *arg) except -1 nogil
cdef int irq_body(void *arg) except -1 nogil
