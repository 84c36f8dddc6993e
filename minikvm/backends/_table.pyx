"""The mk_backend struct of one back end object."""
from minikvm.core.world cimport MK_ABI


cdef class BackendTable:
    """Zeroed memory for the struct, with its ABI number, its size, and ``self`` pointing here."""

    def __cinit__(self, option=0):
        self.c.abi = MK_ABI
        self.c.size = sizeof(mk_backend)
        self.c.self = <void *>self
        self.option = option
