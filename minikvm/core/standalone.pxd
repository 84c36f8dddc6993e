# cython: language_level=3
"""A VM without threads: one context, for tests, notebooks and benchmarks."""
from libc.stdint cimport uint64_t
from minikvm.core.recorder cimport Recorder
from minikvm.core.vcpu cimport VcpuTable
from minikvm.core.view cimport CurrentVM
from minikvm.core.world cimport mk_ctx


cdef class Standalone:
    cdef mk_ctx c
    cdef uint64_t *scratch
    cdef readonly VcpuTable table
    cdef readonly Recorder recorder
    cdef readonly object registry
    cdef object strategy
    cdef object loop
    cdef readonly CurrentVM vm
