"""The injected world: every operation is the bare one; at each named point the race injectors are asked what to do."""
from libc.stdint cimport uint32_t, uint64_t
from minikvm.core.world cimport (
    MK_ABI, MK_ACQUIRE, MK_CMPXCHG, MK_CTX_VCPU, MK_GO, MK_RELEASE, mk_atomic32, mk_atomic64, mk_bare_fence, mk_bare_load32, mk_bare_load64,
    mk_bare_rmw32, mk_bare_rmw64, mk_bare_store32, mk_bare_store64, mk_ctx, mk_injector, mk_random, mk_random_unit, mk_remember, mk_vcpu,
    mk_world)
from minikvm.live.state cimport lctx


cdef int load(mk_ctx *c, const void *addr, int size, int order, const char *name, uint64_t *value) except -1 nogil:
    if size == 4:
        value[0] = mk_bare_load32(<const mk_atomic32 *>addr, order)
    else:
        value[0] = mk_bare_load64(<const mk_atomic64 *>addr, order)
    return 0


cdef int store(mk_ctx *c, void *addr, int size, int order, const char *name, uint64_t value) except -1 nogil:
    if size == 4:
        mk_bare_store32(<mk_atomic32 *>addr, order, <uint32_t>value)
    else:
        mk_bare_store64(<mk_atomic64 *>addr, order, value)
    return 0


cdef int rmw(mk_ctx *c, void *addr, int size, int op, int order, const char *name, uint64_t operand, uint64_t expected,
             uint64_t *old) except -1 nogil:
    if size == 4:
        old[0] = mk_bare_rmw32(<mk_atomic32 *>addr, op, order, <uint32_t>operand, <uint32_t>expected)
    else:
        old[0] = mk_bare_rmw64(<mk_atomic64 *>addr, op, order, operand, expected)
    return 0


cdef int fence(mk_ctx *c, int kind, const char *name) except -1 nogil:
    mk_bare_fence(kind)
    return 0


cdef int point(mk_ctx *c, int point, mk_vcpu *subject) except -1 nogil:
    """Ask every injector that wants this point. An injector's own action passes points too: there nobody is asked again."""
    cdef injected_t *w = <injected_t *>c.world
    cdef lctx *t = <lctx *>c
    cdef mk_injector *injector
    cdef int verdict = MK_GO
    cdef int said
    cdef unsigned i
    if c.vcpu is NULL or c.kind != MK_CTX_VCPU:
        mk_remember(c, point)
    if t.in_point:
        return MK_GO
    t.in_point = 1
    for i in range(w.n):
        injector = w.injectors[i]
        if injector.points >> point & 1:
            said = injector.at(c, injector, point, subject)
            if said > verdict:
                verdict = said
    t.in_point = 0
    return verdict


cdef int choose(mk_ctx *c, int n, double probability, const char *name) except -1 nogil:
    """0 with 1 - probability, else one of 1..n-1, each as likely."""
    if mk_random_unit(c) >= probability:
        return 0
    return 1 + <int>(mk_random(c) % <uint64_t>(n - 1)) if n > 2 else 1


cdef int lock(mk_ctx *c, mk_atomic64 *word, const char *name) except -1 nogil:
    if mk_bare_rmw64(word, MK_CMPXCHG, MK_ACQUIRE, 1, 0) == 0:
        return 0
    return c.vm.machine.lock_slow(c, word)


cdef int unlock(mk_ctx *c, mk_atomic64 *word, const char *name) except -1 nogil:
    mk_bare_store64(word, MK_RELEASE, 0)
    return 0


cdef void inject_init(injected_t *w) noexcept nogil:
    w.world.abi = MK_ABI
    w.world.size = sizeof(mk_world)
    w.world.load = load
    w.world.store = store
    w.world.rmw = rmw
    w.world.fence = fence
    w.world.point = point
    w.world.choose = choose
    w.world.lock = lock
    w.world.unlock = unlock
    w.world.wait_change = NULL
    w.n = 0
