# cython: language_level=3
"""What kickers see of a VM from Python."""
from minikvm.core.vmview cimport VmView


cdef class KickView(VmView):
    pass
