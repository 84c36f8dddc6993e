# cython: language_level=3
"""The vCPU's side of the protocol: load and put, handling, guest entry (x86 and arm64), shadow walk, block. docs/protocol.md."""
from libc.stdint cimport uint64_t
from minikvm.core.world cimport mk_ctx, mk_loop, mk_vcpu

cdef int vcpu_load(mk_ctx *c, mk_vcpu *v) except -1 nogil
cdef int vcpu_put(mk_ctx *c, mk_vcpu *v) except -1 nogil
cdef int enter_x86(mk_ctx *c, const mk_loop *l, mk_vcpu *v) except -1 nogil
cdef int enter_arm64(mk_ctx *c, const mk_loop *l, mk_vcpu *v) except -1 nogil
cdef int shadow_walk(mk_ctx *c, mk_vcpu *v) except -1 nogil
cdef int vcpu_block(mk_ctx *c, mk_vcpu *v) except -1 nogil

# ---- their pieces, for loops that differ in one of them ----

# vcpu_enter_guest() is handle_requests() and enter_handled(), which is begin_entry(), last_check(), and then abort_entry() or run_guest().
cdef int vcpu_enter_guest(mk_ctx *c, mk_vcpu *v, bint checks_exiting, int mode_order) except -1 nogil
cdef int handle_requests(mk_ctx *c, mk_vcpu *v) except -1 nogil
cdef int handle_these(mk_ctx *c, mk_vcpu *v, uint64_t handled) except -1 nogil
cdef int enter_handled(mk_ctx *c, mk_vcpu *v, int consumed, bint checks_exiting, int mode_order) except -1 nogil
cdef int begin_entry(mk_ctx *c, mk_vcpu *v, int mode_order) except -1 nogil
cdef int last_check(mk_ctx *c, mk_vcpu *v, bint checks_exiting, uint64_t *seen) except -1 nogil
cdef int abort_entry(mk_ctx *c, mk_vcpu *v, int consumed, uint64_t seen) except -1 nogil
cdef int entry_unannounced(mk_vcpu *v) except -1 nogil
cdef int run_guest(mk_ctx *c, mk_vcpu *v, bint checks_exiting) except -1 nogil
# A walk is these steps with MK_RELEASE at its end.
cdef int walk_steps(mk_ctx *c, mk_vcpu *v, int end_order) except -1 nogil
# vcpu_block() is publish_sleeper(), has_wake_event(), and then sleep_until_woken() or vcpu.wait = 0 again.
cdef int publish_sleeper(mk_ctx *c, mk_vcpu *v) except -1 nogil
cdef int has_wake_event(mk_ctx *c, mk_vcpu *v) except -1 nogil
cdef int sleep_until_woken(mk_ctx *c, mk_vcpu *v) except -1 nogil
