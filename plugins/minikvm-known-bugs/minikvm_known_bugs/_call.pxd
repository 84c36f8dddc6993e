# cython: language_level=3
"""A call as the merged form makes it, around the steps for one target: what the strategies here have in common.

get_cpu(), the pCPU's own mask, the steps for each target, one send, put_cpu(): make_vcpus_request_mask() of minikvm.core.kick.
"""
from libc.stdint cimport int32_t, uint32_t, uint64_t
from minikvm.core.bits cimport ctz64
from minikvm.core.kick cimport get_cpu, get_vcpu, kick_many, kick_mask, put_cpu
from minikvm.core.world cimport MK_REQ_WAIT, mk_ctx, mk_vcpu

ctypedef int (*target_steps)(mk_ctx *c, mk_vcpu *v, uint32_t req, uint64_t *mask, int32_t me) except -1 nogil


cdef inline int each_target(
        mk_ctx *c, uint32_t req, const uint64_t *targets, target_steps steps, uint64_t *mask, int32_t me) except -1 nogil:
    """The steps for each target, in index order; targets NULL: all. Returns the sum of what they return."""
    cdef uint32_t w
    cdef uint64_t word
    cdef mk_vcpu *v
    cdef int sum = 0
    for w in range(c.vm.vcpu_words):
        word = targets[w] if targets != NULL else ~(<uint64_t>0)
        while word:
            v = get_vcpu(c.vm, w * 64 + ctz64(word))
            word &= word - 1
            if v is not NULL:  # a hole in the table, or past its end
                c.visited += 1
                sum += steps(c, v, req, mask, me)
    return sum


cdef inline int call(mk_ctx *c, uint32_t req, const uint64_t *targets, target_steps steps) except -1 nogil:
    """One call with these steps. 1 when an IPI was sent."""
    cdef int32_t me = get_cpu(c)
    cdef uint64_t *mask = kick_mask(c)
    cdef int called
    each_target(c, req, targets, steps, mask, me)
    called = kick_many(c, mask, (req & MK_REQ_WAIT) != 0)
    put_cpu(c)
    return called
