# cython: language_level=3
"""What only a test of the checker wants: callers that learn of a walk's end from each other, and vCPUs that do nothing but walk.

`told-release` and `told-wmb`: who sees a walk end says so in a word that all calls share, and who finds that word set makes its request and
looks no further. They differ in how the word is passed on. It is one word, and is never cleared: for one vCPU that walks once.
"""
from libc.stdint cimport int32_t, uint32_t, uint64_t
from minikvm.core.bits cimport ctz64
from minikvm.core.kick cimport exiting_guest_mode, get_cpu, get_vcpu, kick_many, kick_mask, mask_cpu, put_cpu, read_cpu
from minikvm.core.native cimport loop_capsule, strategy_capsule
from minikvm.core.requests cimport make_request
from minikvm.core.world cimport (
    MK_ABI, MK_ACQUIRE, MK_EV_DEFERRED, MK_EV_WALK_BEGIN, MK_EV_WALK_END, MK_OUTSIDE_GUEST_MODE, MK_READING_SHADOW_PAGE_TABLES,
    MK_RELAXED, MK_RELEASE, MK_REQ_WAIT, MK_SMP_MB, MK_SMP_RMB, MK_SMP_WMB, mk_atomic32, mk_ctx, mk_fence, mk_load32, mk_loop, mk_note,
    mk_store32, mk_strategy, mk_vcpu)

from minikvm.kinds import Loop, Strategy

cdef mk_atomic32 told


cdef int tell(mk_ctx *c, bint release) except -1 nogil:
    if release:
        return mk_store32(c, &told, MK_RELEASE, b"told", 1)
    # No smp_mb(): the read of mode before it may be taken after the store.
    mk_fence(c, MK_SMP_RMB, b"told")
    mk_fence(c, MK_SMP_WMB, b"told")
    return mk_store32(c, &told, MK_RELAXED, b"told", 1)


cdef int is_told(mk_ctx *c, mk_vcpu *v, uint32_t *seen) except -1 nogil:
    mk_load32(c, &told, MK_ACQUIRE, b"told", seen)
    if seen[0]:
        mk_note(c, MK_EV_DEFERRED, v, 0, 0)
    return 0


cdef int dispatch(mk_ctx *c, uint32_t req, const uint64_t *targets, bint release) except -1 nogil:
    cdef int32_t me = get_cpu(c), cpu = -1
    cdef uint64_t *mask = kick_mask(c)
    cdef mk_vcpu *v = get_vcpu(c.vm, 0 if targets == NULL else ctz64(targets[0]))
    cdef uint32_t seen = 0, mode = 0
    cdef int called = 0
    make_request(c, req, v)
    is_told(c, v, &seen)
    if not seen:
        exiting_guest_mode(c, v, &mode)
        if mode == MK_READING_SHADOW_PAGE_TABLES:
            mk_load32(c, &v.mode, MK_RELAXED, b"vcpu.mode", &mode)
            if mode == MK_OUTSIDE_GUEST_MODE:
                tell(c, release)
            else:
                read_cpu(c, v, MK_RELAXED, &cpu)
                mask_cpu(c, v, cpu, me, mask)
                called = kick_many(c, mask, (req & MK_REQ_WAIT) != 0)
    put_cpu(c)
    return called


cdef int dispatch_release(mk_ctx *c, const mk_strategy *s, uint32_t req, const uint64_t *targets) except -1 nogil:
    return dispatch(c, req, targets, True)


cdef int dispatch_wmb(mk_ctx *c, const mk_strategy *s, uint32_t req, const uint64_t *targets) except -1 nogil:
    return dispatch(c, req, targets, False)


cdef int walk(mk_ctx *c, const mk_loop *l, mk_vcpu *v) except -1 nogil:
    """walk_steps(), but that smp_wmb() and WRITE_ONCE() end it: they order the walk's stores, and its reads not."""
    c.preempt_count += 1
    c.vm.machine.irq_disable(c)
    mk_store32(c, &v.mode, MK_RELAXED, b"vcpu.mode", MK_READING_SHADOW_PAGE_TABLES)
    mk_fence(c, MK_SMP_MB, b"shadow_walk")
    mk_note(c, MK_EV_WALK_BEGIN, v, 0, 0)
    c.vm.machine.walk(c, v)
    mk_note(c, MK_EV_WALK_END, v, 0, 0)
    mk_fence(c, MK_SMP_WMB, b"shadow_walk")
    mk_store32(c, &v.mode, MK_RELAXED, b"vcpu.mode", MK_OUTSIDE_GUEST_MODE)
    c.vm.machine.irq_enable(c)
    return put_cpu(c)


cdef mk_strategy by_release
by_release.abi = MK_ABI
by_release.size = sizeof(mk_strategy)
by_release.dispatch = dispatch_release

cdef mk_strategy by_wmb
by_wmb.abi = MK_ABI
by_wmb.size = sizeof(mk_strategy)
by_wmb.dispatch = dispatch_wmb

cdef int pass_by(mk_ctx *c, const mk_loop *l, mk_vcpu *v) except -1 nogil:
    return 1  # no guest


cdef mk_loop loop
loop.abi = MK_ABI
loop.size = sizeof(mk_loop)
loop.enter = pass_by

cdef mk_loop loop_wmb
loop_wmb.abi = MK_ABI
loop_wmb.size = sizeof(mk_loop)
loop_wmb.enter = pass_by
loop_wmb.walk = walk


class ToldRelease(Strategy):
    """For tests of one walk: who saw the walk end tells it with smp_store_release()."""

    name = "told-release"

    def native(self):
        """The mk_strategy capsule; its struct is the module's own."""
        return strategy_capsule(&by_release)


class ToldWmb(Strategy):
    """For tests of one walk: who saw the walk end tells it after smp_rmb() and smp_wmb()."""

    name = "told-wmb"

    def native(self):
        """The mk_strategy capsule; its struct is the module's own."""
        return strategy_capsule(&by_wmb)


class Walks(Loop):
    """For tests: shadow walks as the kernel's, and no guest."""

    name = "walks"

    def native(self):
        """The mk_loop capsule; its struct is the module's own."""
        return loop_capsule(&loop)


class WalksWmb(Loop):
    """For tests: shadow walks that end with smp_wmb() and WRITE_ONCE(), and no guest."""

    name = "walks-wmb"

    def native(self):
        """The mk_loop capsule; its struct is the module's own."""
        return loop_capsule(&loop_wmb)
