# cython: language_level=3
"""The vCPU table: an mk_vm with its vCPUs, kick masks and topology, and the Python views of single vCPUs."""
from libc.stdint cimport uint32_t
from minikvm.core.world cimport mk_ctx, mk_vcpu, mk_vm


cdef class Binding:
    # What a view is bound to. NULL when it has expired; whoever owns the context sets it.
    cdef mk_ctx *c
    cdef bint quiet          # a race injector's: reads pass no points, at which it would be asked again


cdef class VcpuTable:
    # For cimporters: complete but for world, machine, strategy and loop, which the owner of the table fills in.
    cdef mk_vm *vm
    cdef unsigned present


cdef class VCpu:
    cdef mk_vcpu *v          # only to be followed while the table lives, or the binding is not expired
    cdef readonly uint32_t idx
    cdef readonly uint32_t id
    cdef VcpuTable table     # keeps the memory; None where a binding answers for it
    cdef Binding binding     # None: reads are bare


cdef VCpu view_of(mk_vcpu *v, VcpuTable table, Binding binding)
cdef mk_vcpu *followed(VCpu vcpu) except NULL
