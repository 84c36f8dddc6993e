# cython: language_level=3
"""A Python IPI back end as a native struct."""
from libc.stdint cimport uint32_t
from minikvm.core.world cimport mk_backend, mk_doorbell


cdef class Doorbell:
    cdef mk_doorbell *d      # NULL when it was closed
    cdef uint32_t idle       # the pending word of a guest that nobody has rung
    cdef readonly int pcpu
    cdef public object state


cdef class BackendAdapter:
    cdef mk_backend native
    cdef object plugin
    cdef dict views
    cdef dict bells          # by address: the Doorbells between open and close
