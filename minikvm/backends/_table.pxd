# cython: language_level=3
"""The mk_backend struct of one back end object: lives as long as the object, and so does what it points to."""
from libc.stdint cimport uint32_t
from minikvm.core.world cimport mk_backend

cdef class BackendTable:
    # No cdef method, on purpose: a class without a method table cannot disagree with the modules that were built against it.
    cdef mk_backend c
    cdef uint32_t option   # one number of the back end's options
    cdef uint32_t opened   # slots
