# cython: language_level=3
"""What Python sees of a VM from one context: the part that all views share."""
from libc.stdint cimport uint64_t
from minikvm.core.bitmap cimport Bitmap
from minikvm.core.cpumask cimport CpuMask
from minikvm.core.vcpu cimport Binding
from minikvm.core.world cimport mk_ctx


cdef class Loan:
    cdef Bitmap bitmap
    cdef uint64_t *own


cdef class VmView:
    cdef Binding binding
    cdef uint64_t serial    # the VM that it was made for
    cdef list places        # a bound VCpu, or None, for each place; made when first asked for
    cdef list loans
    cdef unsigned depth     # calls in progress that it was given to


cdef mk_ctx *context(VmView view) except NULL
cdef int prepare(VmView view, mk_ctx *c) except -1
cdef int expire(VmView view) except -1
cdef CpuMask lent_mask(VmView view, uint64_t *words)
