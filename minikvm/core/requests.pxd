# cython: language_level=3
"""make, test, clear, check and pending (include/linux/kvm_host.h, v6.18): the only code that touches vcpu.requests (R2)."""
from libc.stdint cimport uint32_t, uint64_t
from minikvm.core.world cimport (
    MK_EV_CLEARED, MK_EV_CONSUMED, MK_EV_MADE, MK_MB_AFTER_ATOMIC, MK_PT_KICK_MADE, MK_RELAXED, MK_REQ_MASK, MK_SMP_WMB,
    mk_clear_bit, mk_ctx, mk_fence, mk_load64, mk_note, mk_point, mk_set_bit, mk_vcpu)


cdef inline int make_request(mk_ctx *c, uint32_t req, mk_vcpu *v) except -1 nogil:
    """kvm_make_request(): publish what was written before, then set the bit. Returns the old bit, for the accounts only."""
    cdef int old
    # Pairs with the barrier after the clear in check_request(): who sees the bit sees what was written before it (R9).
    mk_fence(c, MK_SMP_WMB, b"make_request")
    old = mk_set_bit(c, &v.requests, req & MK_REQ_MASK, b"vcpu.requests")
    mk_note(c, MK_EV_MADE, v, req & MK_REQ_MASK, old)
    mk_point(c, MK_PT_KICK_MADE, v)
    return old


cdef inline int request_pending(mk_ctx *c, mk_vcpu *v, uint64_t *bits) except -1 nogil:
    """kvm_request_pending(): all bits, READ_ONCE, no barrier (R3)."""
    return mk_load64(c, &v.requests, MK_RELAXED, b"vcpu.requests", bits)


cdef inline int test_request(mk_ctx *c, uint32_t req, mk_vcpu *v) except -1 nogil:
    """kvm_test_request(): one bit, no barrier (R3)."""
    cdef uint64_t bits = 0
    mk_load64(c, &v.requests, MK_RELAXED, b"vcpu.requests", &bits)
    return (bits >> (req & MK_REQ_MASK)) & 1


cdef inline int clear_request(mk_ctx *c, uint32_t req, mk_vcpu *v) except -1 nogil:
    """kvm_clear_request(): no barrier. For a requester that closes an entry gate, and for receivers that are serialised with it (R23)."""
    cdef int old = mk_clear_bit(c, &v.requests, req & MK_REQ_MASK, b"vcpu.requests")
    mk_note(c, MK_EV_CLEARED, v, req & MK_REQ_MASK, old)
    return old


cdef inline int check_request(mk_ctx *c, uint32_t req, mk_vcpu *v) except -1 nogil:
    """kvm_check_request(): test, clear, full barrier. 1 when the request was made and is now the caller's to handle."""
    if not test_request(c, req, v):
        return 0
    mk_clear_bit(c, &v.requests, req & MK_REQ_MASK, b"vcpu.requests")
    mk_note(c, MK_EV_CONSUMED, v, req & MK_REQ_MASK, 1)
    # Pairs with the write barrier in make_request(), and keeps the handling after the clear: a request made during it is seen again.
    mk_fence(c, MK_MB_AFTER_ATOMIC, b"check_request")
    return 1
