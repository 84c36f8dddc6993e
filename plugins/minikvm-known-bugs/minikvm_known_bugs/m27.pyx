# cython: language_level=3
"""M27: the pCPU's own mask is used with preemption on. Another task of the pCPU clears it, or its own targets are in it."""
from libc.stdint cimport int32_t, uint32_t, uint64_t
from libc.string cimport memset
from minikvm.core.kick cimport get_cpu, kick_many, make_vcpu_request, put_cpu
from minikvm.core.native cimport strategy_capsule
from minikvm.core.world cimport (
    MK_ABI, MK_PLAIN, MK_PT_TASK_RUN, MK_REQ_WAIT, mk_atomic64, mk_ctx, mk_load64, mk_point, mk_store64, mk_strategy, mk_vcpu)
from minikvm_known_bugs._call cimport each_target

from minikvm.kinds import Strategy


cdef inline mk_atomic64 *kick_mask_word(mk_ctx *c, uint32_t w) noexcept nogil:
    """Word *w* of the current pCPU's kick mask, which others may change: through the world, so that a checker sees it."""
    return <mk_atomic64 *>(c.vm.kick_masks + <size_t>c.vm.mask_stride * <size_t>(c.pcpu if c.pcpu >= 0 else 0) + w)


cdef int steps(mk_ctx *c, mk_vcpu *v, uint32_t req, uint64_t *mask, int32_t me) except -1 nogil:
    """One target, with preemption off for as long as the mask is not touched. *mask* is private, and holds this target only."""
    cdef uint32_t w
    cdef uint64_t word = 0
    cdef int added
    memset(mask, 0, c.vm.mask_words * sizeof(uint64_t))
    me = get_cpu(c)
    added = make_vcpu_request(c, v, req, mask, me)
    if added:
        for w in range(c.vm.mask_words):
            if mask[w]:
                mk_load64(c, kick_mask_word(c, w), MK_PLAIN, b"cpu_kick_mask", &word)
                mk_store64(c, kick_mask_word(c, w), MK_PLAIN, b"cpu_kick_mask", word | mask[w])
    # The bug, not to be repaired: preemption is on again while the pCPU's mask is in use.
    put_cpu(c)
    mk_point(c, MK_PT_TASK_RUN, NULL)
    return added


cdef int dispatch(mk_ctx *c, const mk_strategy *s, uint32_t req, const uint64_t *targets) except -1 nogil:
    cdef uint64_t *mask = c.scratch
    cdef uint32_t w
    cdef int called
    for w in range(c.vm.mask_words):
        mk_store64(c, kick_mask_word(c, w), MK_PLAIN, b"cpu_kick_mask", 0)
    each_target(c, req, targets, steps, mask, -1)
    get_cpu(c)
    for w in range(c.vm.mask_words):
        mk_load64(c, kick_mask_word(c, w), MK_PLAIN, b"cpu_kick_mask", &mask[w])
    called = kick_many(c, mask, (req & MK_REQ_WAIT) != 0)
    put_cpu(c)
    return called


cdef mk_strategy table
table.abi = MK_ABI
table.size = sizeof(mk_strategy)
table.dispatch = dispatch


class M27(Strategy):
    """Known bug: preemption is off for each target, and on between the targets and the send (P2, P8).

    When it is right: with one task on each pCPU.
    """

    name = "m27"
    requires = frozenset({"acknowledges"})

    def native(self):
        """The mk_strategy capsule; its struct is the module's own."""
        return strategy_capsule(&table)
