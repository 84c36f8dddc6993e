# cython: language_level=3
"""A Python IPI back end as a native struct."""
from minikvm.core.world cimport mk_backend, mk_doorbell


cdef class Doorbell:
    cdef mk_doorbell *d      # NULL when it was closed
    cdef readonly int pcpu
    cdef public object state


cdef class BackendAdapter:
    cdef mk_backend native
    cdef object plugin
    cdef dict views
    cdef dict bells          # by address: the Doorbells between open and close
