# cython: language_level=3
"""The VM as Python plugins see it."""
from minikvm.core.kickview cimport KickView
from minikvm.core.world cimport mk_ctx


cdef class CurrentVM(KickView):
    pass


cdef CurrentVM current_vm(mk_ctx *c)                       # bound until expire(): for owners of a context
cdef CurrentVM entered(dict views, mk_ctx *c)              # bound during one call; *views* is keyed by the context's address
cdef int left(CurrentVM vm) except -1
