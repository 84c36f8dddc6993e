# cython: language_level=3
"""The mk_injector struct of one injector object: lives as long as the object, and so does its name."""
from minikvm.core.world cimport mk_ctx, mk_injector, mk_vcpu

ctypedef int (*injector_at)(mk_ctx *, mk_injector *, int, mk_vcpu *) except -1 nogil

cdef class InjectorTable:
    # No cdef method, on purpose: a class without a method table cannot disagree with the modules that were built against it.
    cdef mk_injector c
    cdef bytes name
    cdef int option         # one choice of the injector's options
    cdef double mean_ns

cdef InjectorTable injector_table(object injector, injector_at at)
