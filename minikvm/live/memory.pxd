# cython: language_level=3
"""LiveMemory for the module that runs the VM."""
from libc.stdint cimport uint32_t, uint64_t
from minikvm.core.vcpu cimport VcpuTable
from minikvm.live.inject cimport injected_t
from minikvm.live.state cimport lctx, line_t, live_t


cdef class LiveMemory:
    cdef readonly VcpuTable table
    cdef live_t l
    cdef injected_t *world
    cdef list keep            # what the native structs point to
    cdef object injector_objects
    cdef line_t *lines
    cdef unsigned nr_lines
    cdef unsigned max_lines
    cdef unsigned max_threads
    cdef list names           # a name for each thread
    cdef char *bells
    cdef unsigned nr_open     # slots that the back end has opened, from the first on
    cdef int call_line        # the workload line of calls from Python, -1 before the first
    cdef lctx *main_thread    # for calls and stops from Python

    cdef void *zeroed(self, size_t n, size_t size) except NULL
    cdef lctx *new_thread(self, name, uint32_t kind, uint64_t seed, int home) except NULL
    cdef int callers_memory(self, lctx *t) except -1
    cdef int give_lines(self, lctx *t, lines) except -1
