# cython: language_level=3
"""What Python callers pass, as native values, or a clear error."""
from libc.stdint cimport int32_t, uint32_t
from minikvm.core.bitmap cimport Bitmap
from minikvm.core.vcpu cimport VCpu
from minikvm.core.world cimport mk_vcpu, mk_vm

cdef uint32_t request_value(object req) except? 0xffffffff
cdef Bitmap target_mask(mk_vm *vm, object targets)
cdef Bitmap cpu_mask(mk_vm *vm, object mask)
cdef int32_t pcpu_number(mk_vm *vm, object pcpu, int32_t low) except? -2
cdef mk_vcpu *vcpu_of(mk_vm *vm, object vcpu) except NULL
cdef int one_of(str what, object name, dict known) except -1
