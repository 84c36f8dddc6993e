"""The checked world: every operation of the kick path and of the run loops becomes an event of the explorer. And how a call is made."""
from libc.stdint cimport int32_t, int64_t, uint64_t
from libc.string cimport memcpy, memset
from minikvm.check.coroutines cimport stop_coroutine
from minikvm.check.explorer cimport AWAIT_NE, OP_LOCK, XR_OK, explorer_init_location, x_note, x_step
from minikvm.check.graph cimport EF_AWAIT, EF_MUST, EF_NORETURN, EF_RMW, EV_CHOOSE, EV_FENCE, EV_READ, EV_WRITE, event
from minikvm.check.environment cimport interrupts_here, preempted_here
from minikvm.check.pcpus cimport barrier_reached
from minikvm.core.kick cimport dispatch
from minikvm.core.requests cimport clear_request
from minikvm.core.world cimport (
    MK_ABI, MK_ACQUIRE, MK_BARRIER, MK_EV_CONSUMED, MK_EV_ENTRY_ABORT, MK_EV_ENTRY_COMMIT, MK_EV_ENTRY_END, MK_EV_SENDING, MK_GO,
    MK_NO_VALUE, MK_PLAIN, MK_RELAXED, MK_RELEASE, MK_REQ_NO_ACTION, MK_RMW_OPS, MK_SMP_MB, mk_atomic64, mk_ctx, mk_injector,
    mk_observer, mk_vcpu, mk_world)

from minikvm.check.scope import ScopeError


cdef int32_t at(scene *s, int location_class, int32_t index) noexcept nogil:
    """The graph's location of this object's word."""
    return s.base[location_class] + index


cdef int too_many(const char *what) except -1 nogil:
    with gil:
        raise ScopeError(f"the scope is too large for one execution: {what.decode()}")


cdef int mixed(kthread *k, int size, int before) except -1 nogil:
    with gil:
        place = f" at {k.c.file.decode(errors='replace')}:{k.c.line}" if k.c.file != NULL else ""
        rule = "the explorer takes whole words only"
        raise ScopeError(f"an access of {size} bytes{place} to memory that is accessed by {before} bytes elsewhere: {rule}")


cdef int32_t other_location(kthread *k, const void *addr, int size) except -1 nogil:
    """A plugin's own word: a location from the first time that it is used on. Its initial value is what lies in memory then."""
    cdef scene *s = k.s
    cdef const char *word = <const char *>addr
    cdef int32_t i
    cdef uint64_t value = 0
    for i in range(s.nother):
        if s.other[i].address == word and s.other[i].size == size:
            return at(s, LC_OTHER, i)
    for i in range(s.nother):
        if word < s.other[i].address + s.other[i].size and s.other[i].address < word + size:
            mixed(k, size, s.other[i].size)
    if s.nother == MAX_OTHER:
        too_many(b"more than 128 words of the plugins' own are shared")
    s.other[s.nother].address = word
    s.other[s.nother].size = size
    s.nother += 1
    memcpy(&value, word, size)
    explorer_init_location(s.x, at(s, LC_OTHER, s.nother - 1), value)
    return at(s, LC_OTHER, s.nother - 1)


cdef int32_t field_location(kthread *k, int location_class, int32_t index, int size, int expected) except -1 nogil:
    if size != expected:
        mixed(k, size, expected)
    return at(k.s, location_class, index)


cdef int32_t location_of(kthread *k, const void *addr, int size) except -1 nogil:
    """The location of a shared word by its address."""
    cdef scene *s = k.s
    cdef const char *base = <const char *>s.vm.vcpus
    cdef int64_t offset = <const char *>addr - base
    cdef mk_vcpu *v
    if 0 <= offset < <int64_t>(s.nvcpus * sizeof(mk_vcpu)):
        v = &s.vm.vcpus[offset // <int64_t>sizeof(mk_vcpu)]
        if addr == <const void *>&v.requests:
            return field_location(k, LC_REQUESTS, v.idx, size, 8)
        if addr == <const void *>&v.mode:
            return field_location(k, LC_MODE, v.idx, size, 4)
        if addr == <const void *>&v.cpu:
            return field_location(k, LC_CPU, v.idx, size, 4)
        if addr == <const void *>&v.wait:
            return field_location(k, LC_WAIT, v.idx, size, 4)
        if addr == <const void *>&v.strategy:
            return field_location(k, LC_STRATEGY, v.idx, size, 8)
    # A thread has kick masks of its own, since bare code writes them; those who share them through the world share the VM's.
    offset = <const char *>addr - <const char *>k.vm.kick_masks
    if 0 <= offset < <int64_t>(8 * s.vm.mask_stride * s.vm.nr_pcpus):
        addr = <const char *>s.vm.kick_masks + offset
    return other_location(k, addr, size)


cdef int access(kthread *k, int kind, int flags, int op, int order, int32_t loc, uint64_t operand, uint64_t expected, const char *name,
                uint64_t *value) except -1 nogil:
    cdef event e
    cdef int result
    memset(&e, 0, sizeof(e))
    e.kind = kind
    e.flags = flags
    e.op = op
    e.order = order
    e.loc = loc
    if kind == EV_WRITE:
        e.wval = operand
    else:
        e.operand = operand
        e.expected = expected
    e.name = name
    e.file = k.c.file
    e.line = k.c.line
    k.c.file = NULL
    result = x_step(k.s.x, k.t, &e, value)
    if result != XR_OK:
        stop_coroutine(k.co, result)
        value[0] = k.s.x.live[k.t].seen[k.s.x.live[k.t].pos - 1]
    return 0


cdef int tell(kthread *k, int kind, uint64_t subject, uint64_t a, uint64_t b) except -1 nogil:
    return x_note(k.s.x, k.t, kind, subject, a, b)


cdef int choose(kthread *k, int n, bint fault, const char *name) except -1 nogil:
    """0..n-1: every answer is explored; of faults, only so many that are not 0 in one execution."""
    cdef uint64_t value = 0
    access(k, EV_CHOOSE, 0, 0, MK_RELAXED, -1, n, fault, name, &value)
    return <int>value


# ---- the world ----

cdef uint64_t cut(uint64_t value, int size) noexcept nogil:
    return value & ((<uint64_t>1 << (8 * size)) - 1) if size < 8 else value


cdef int w_load(mk_ctx *c, const void *addr, int size, int order, const char *name, uint64_t *value) except -1 nogil:
    return access(<kthread *>c, EV_READ, 0, 0, order, location_of(<kthread *>c, addr, size), 0, 0, name, value)


cdef int w_store(mk_ctx *c, void *addr, int size, int order, const char *name, uint64_t value) except -1 nogil:
    cdef uint64_t nothing = 0
    return access(<kthread *>c, EV_WRITE, 0, 0, order, location_of(<kthread *>c, addr, size), cut(value, size), 0, name, &nothing)


cdef int w_rmw(mk_ctx *c, void *addr, int size, int op, int order, const char *name, uint64_t operand, uint64_t expected,
               uint64_t *old) except -1 nogil:
    # set_bit() and clear_bit() return no value: what mk_set_bit() gives back is for the accounts.
    cdef int flags = EF_RMW | (EF_NORETURN if op & MK_NO_VALUE else 0)
    return access(<kthread *>c, EV_READ, flags, op & MK_RMW_OPS, order, location_of(<kthread *>c, addr, size), cut(operand, size),
                  cut(expected, size),
                  name, old)


cdef int w_fence(mk_ctx *c, int kind, const char *name) except -1 nogil:
    cdef uint64_t nothing = 0
    if kind == MK_BARRIER:
        return barrier_reached(<kthread *>c)  # the compiler's: no event, but a membarrier() may strike here
    return access(<kthread *>c, EV_FENCE, 0, kind, MK_RELAXED, -1, 0, 0, name, &nothing)


cdef int w_point(mk_ctx *c, int point, mk_vcpu *subject) except -1 nogil:
    """Interrupts and preemption strike at points, and injectors are asked; not at the points that an injector's own action passes."""
    cdef kthread *k = <kthread *>c
    cdef mk_injector *injector
    cdef int verdict = MK_GO
    cdef int said, i
    if k.in_point:
        return MK_GO
    k.in_point = 1
    if c.irqs_off == 0:
        interrupts_here(k)
        if c.preempt_count == 0:
            preempted_here(k)
    if k.s.wanted_points >> point & 1:
        for i in range(k.s.ninjectors):
            injector = k.s.injectors[i]
            if injector.points >> point & 1:
                k.asked = injector
                said = injector.at(c, injector, point, subject)
                k.asked = NULL
                if said > verdict:
                    verdict = said
    k.in_point = 0
    return verdict


cdef int w_choose(mk_ctx *c, int n, double probability, const char *name) except -1 nogil:
    return choose(<kthread *>c, n, True, name)


cdef int w_lock(mk_ctx *c, mk_atomic64 *lock, const char *name) except -1 nogil:
    cdef uint64_t old = 0
    return access(<kthread *>c, EV_READ, EF_RMW | EF_AWAIT | EF_MUST, OP_LOCK, MK_ACQUIRE, location_of(<kthread *>c, lock, 8), 0, 0, name,
                  &old)


cdef int w_unlock(mk_ctx *c, mk_atomic64 *lock, const char *name) except -1 nogil:
    cdef uint64_t nothing = 0
    return access(<kthread *>c, EV_WRITE, 0, 0, MK_RELEASE, location_of(<kthread *>c, lock, 8), 0, 0, name, &nothing)


cdef int w_wait_change(mk_ctx *c, const void *addr, int size, int order, const char *name, uint64_t seen, uint64_t *value) except -1 nogil:
    return access(<kthread *>c, EV_READ, EF_AWAIT | EF_MUST, AWAIT_NE, order, location_of(<kthread *>c, addr, size), seen, 0, name, value)


cdef mk_world checked_world
checked_world.abi = MK_ABI
checked_world.size = sizeof(mk_world)
checked_world.load = w_load
checked_world.store = w_store
checked_world.rmw = w_rmw
checked_world.fence = w_fence
checked_world.point = w_point
checked_world.choose = w_choose
checked_world.lock = w_lock
checked_world.unlock = w_unlock
checked_world.wait_change = w_wait_change


cdef int watch(mk_ctx *c, int happened, mk_vcpu *v, uint64_t a, uint64_t b) except -1 nogil:
    cdef kthread *k = <kthread *>c
    if happened == MK_EV_SENDING:
        return 0  # its mask is an address; call_many() tells what is in it
    if happened == MK_EV_CONSUMED:
        k.consumed = 1
        k.consumed_ever |= (<uint64_t>1) << a
    elif happened == MK_EV_ENTRY_ABORT:
        k.aborted_for = a
    elif happened == MK_EV_ENTRY_COMMIT or happened == MK_EV_ENTRY_END:
        k.committed = happened == MK_EV_ENTRY_COMMIT
    return tell(k, happened, v.idx if v != NULL else 0, a, b)


cdef mk_observer checked_observer
checked_observer.event = watch


# ---- calls ----

cdef int write(kthread *k, int order, int32_t loc, uint64_t value, const char *name) except -1 nogil:
    cdef uint64_t nothing = 0
    return access(k, EV_WRITE, 0, 0, order, loc, value, 0, name, &nothing)


cdef uint64_t draw(kthread *k, const call *q) except? 0 nogil:
    """So many of the targets: each subset of that size is explored."""
    cdef uint64_t left = q.targets, drawn = 0
    cdef int32_t wanted = q.pick
    cdef int32_t have = 0
    cdef uint64_t rest = left
    while rest:
        have += 1
        rest &= rest - 1
    while left and wanted:
        if have == wanted or choose(k, 2, False, b"random target") == 0:
            drawn |= left & -left
            wanted -= 1
        left &= left - 1
        have -= 1
    return drawn


cdef int make_call(kthread *k, int32_t number) except -1 nogil:
    """What an initiator does around one call, and the call. An interrupt's may come amid another one of the thread that it interrupts."""
    cdef scene *s = k.s
    cdef const call *q = &s.calls[number]
    cdef uint64_t targets_amid = k.targets[0]
    cdef int32_t call_amid = k.call
    cdef uint64_t nothing = 0
    cdef int32_t i
    k.targets[0] = draw(k, q) if q.pick > 0 else q.targets
    if s.payload:
        write(k, MK_RELAXED, at(s, LC_PAYLOAD, q.initiator), number + 1, b"payload")
    if q.request & MK_REQ_NO_ACTION:
        write(k, MK_RELAXED, at(s, LC_EVENT, q.initiator), 1, b"event")
    k.call = number
    tell(k, NOTE_CALL, number, k.targets[0], q.request)
    dispatch(&k.c, q.request, NULL if q.all else k.targets)
    tell(k, NOTE_RETURNED, number, 0, 0)
    k.call = call_amid
    if q.gate:
        for i in range(s.nvcpus):
            if k.targets[0] >> i & 1:
                clear_request(&k.c, q.request, &s.vm.vcpus[i])
    if q.frees:
        access(k, EV_FENCE, 0, MK_SMP_MB, MK_RELAXED, -1, 0, 0, b"before the free", &nothing)
        write(k, MK_PLAIN, at(s, LC_PAGE, q.initiator), 1, b"page")
        tell(k, NOTE_FREED, number, q.initiator, 0)
    k.targets[0] = targets_amid
    return 0
