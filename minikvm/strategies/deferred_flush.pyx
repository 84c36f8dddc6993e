"""A descheduled vCPU is marked instead of kicked: it flushes when it is loaded again.

``vcpu.strategy`` is one word: bit 0 says PREEMPTED, bit nr + 1 that request nr waits for the next load. Only the vCPU's own thread makes it
0 (on_load) or PREEMPTED (on_put); kickers only add marks to a word that says PREEMPTED. 0 at first: a vCPU that was never loaded
goes the normal way.
"""
from libc.stdint cimport int32_t, uint32_t, uint64_t
from minikvm.core.bits cimport ctz64
from minikvm.core.kick cimport get_cpu, kick_many, kick_mask, make_vcpu_request, put_cpu
from minikvm.core.native cimport strategy_capsule
from minikvm.core.requests cimport make_request
from minikvm.core.world cimport (
    MK_ABI, MK_CMPXCHG, MK_EV_DEFERRED, MK_FULL, MK_RELAXED, MK_RELEASE, MK_REQ_MASK, MK_REQ_NO_ACTION, MK_REQ_NO_WAKEUP, MK_REQ_WAIT,
    MK_XCHG, mk_ctx, mk_load64, mk_note, mk_rmw64, mk_store64, mk_strategy, mk_vcpu)
from minikvm.strategies._walk cimport begin_targets, next_target, target_walk

from minikvm.kinds import Strategy

cdef enum:
    PREEMPTED = 1  # KVM_VCPU_PREEMPTED
# The flushes: TLB_FLUSH, TLB_FLUSH_CURRENT, TLB_FLUSH_GUEST, HV_TLB_FLUSH. Their whole effect is on the vCPU's next entry.
cdef uint64_t FLUSHES = (
    (<uint64_t>1) << 0 | (<uint64_t>1) << 34 | (<uint64_t>1) << 35 | (<uint64_t>1) << 40)


cdef inline bint deferrable(uint32_t req) noexcept nogil:
    """A flush that leaves sleepers asleep, and logs a bit."""
    cdef uint32_t nr = req & MK_REQ_MASK
    return nr < 63 and (FLUSHES >> nr) & 1 and req & MK_REQ_NO_WAKEUP and not req & MK_REQ_NO_ACTION


cdef inline int defer(mk_ctx *c, mk_vcpu *v, uint32_t nr) except -1 nogil:
    """1 when the vCPU is descheduled and was marked; 0: kick it."""
    cdef uint64_t word = 0, old = 0
    mk_load64(c, &v.strategy, MK_RELAXED, b"vcpu.preempted", &word)
    if not word & PREEMPTED:
        return 0
    # Fully ordered when it succeeds. Backwards: what was written before the call is visible to the vCPU when its on_load() finds the
    # mark. Pairs with on_put() too: the guest was left (or the walk ended) before PREEMPTED was stored, so a WAIT is fulfilled.
    # A mark that is there already is written again: it may be older than what this caller wrote. One try: where it fails, the vCPU
    # is back, or another kicker marks it too; the normal way is right for both.
    mk_rmw64(c, &v.strategy, MK_CMPXCHG, MK_FULL, b"vcpu.preempted", word | (<uint64_t>2) << nr, word, &old)
    if old != word:
        return 0
    mk_note(c, MK_EV_DEFERRED, v, nr, 0)
    return 1


cdef int dispatch(mk_ctx *c, const mk_strategy *s, uint32_t req, const uint64_t *targets) except -1 nogil:
    cdef target_walk t
    cdef mk_vcpu *v
    cdef int32_t me = get_cpu(c)
    cdef uint64_t *mask = kick_mask(c)
    cdef bint may_defer = deferrable(req)
    cdef int called
    t = begin_targets(c, targets)
    v = next_target(c, &t)
    while v is not NULL:
        if not may_defer or not defer(c, v, req & MK_REQ_MASK):
            make_vcpu_request(c, v, req, mask, me)
        v = next_target(c, &t)
    called = kick_many(c, mask, (req & MK_REQ_WAIT) != 0)
    put_cpu(c)
    return called


cdef int on_put(mk_ctx *c, const mk_strategy *s, mk_vcpu *v) except -1 nogil:
    """kvm_steal_time_set_preempted(). The word is 0: nobody marks a vCPU that is not preempted."""
    mk_store64(c, &v.strategy, MK_RELEASE, b"vcpu.preempted", PREEMPTED)  # pairs with the cmpxchg in defer()
    return 0


cdef int on_load(mk_ctx *c, const mk_strategy *s, mk_vcpu *v) except -1 nogil:
    """record_steal_time(): not preempted any more; what was marked meanwhile becomes requests, before any entry or walk."""
    cdef uint64_t marks = 0
    mk_rmw64(c, &v.strategy, MK_XCHG, MK_FULL, b"vcpu.preempted", 0, 0, &marks)  # pairs with the cmpxchg in defer()
    marks >>= 1
    while marks:
        make_request(c, ctz64(marks), v)
        marks &= marks - 1
    return 0


cdef mk_strategy table
table.abi = MK_ABI
table.size = sizeof(mk_strategy)
table.dispatch = dispatch
table.on_put = on_put
table.on_load = on_load


class DeferredFlush(Strategy):
    """TLB flushes skip descheduled vCPUs: they are marked, and flush when they run again. Everything else as `upstream`.

    Source: arch/x86/kernel/kvm.c, kvm_flush_tlb_multi(), and arch/x86/kvm/x86.c, record_steal_time() and
    kvm_steal_time_set_preempted(), Linux v6.18: the paravirtual TLB flush (KVM_FEATURE_PV_TLB_FLUSH).

    When it is right: for requests whose whole effect is on the next entry, with NO_WAKEUP: TLB_FLUSH, TLB_FLUSH_CURRENT, TLB_FLUSH_GUEST
    and HV_TLB_FLUSH. It pays with overcommit. Cost: a locked operation at each load, a store at each put, and a load more
    for each target; a mark costs one locked operation instead of two, and its flush comes only at the load.
    """

    name = "deferred-flush"
    requires = frozenset({"acknowledges"})

    def native(self):
        """The mk_strategy capsule; its struct is the module's own."""
        return strategy_capsule(&table)
