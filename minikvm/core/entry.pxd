# cython: language_level=3
"""The vCPU's side of the protocol: load and put, handling, guest entry (x86 and arm64), shadow walk, block. docs/protocol.md."""
from libc.stdint cimport uint64_t
from minikvm.core.world cimport mk_ctx, mk_loop, mk_vcpu

cdef int vcpu_load(mk_ctx *c, mk_vcpu *v) except -1 nogil
cdef int vcpu_put(mk_ctx *c, mk_vcpu *v) except -1 nogil
cdef int handle_requests(mk_ctx *c, mk_vcpu *v) except -1 nogil
cdef int last_check(mk_ctx *c, mk_vcpu *v, bint checks_exiting, uint64_t *seen) except -1 nogil
cdef int vcpu_enter_guest(mk_ctx *c, mk_vcpu *v, bint checks_exiting, int mode_order) except -1 nogil
cdef int enter_x86(mk_ctx *c, const mk_loop *l, mk_vcpu *v) except -1 nogil
cdef int enter_arm64(mk_ctx *c, const mk_loop *l, mk_vcpu *v) except -1 nogil
cdef int shadow_walk(mk_ctx *c, mk_vcpu *v) except -1 nogil
cdef int vcpu_block(mk_ctx *c, mk_vcpu *v) except -1 nogil
