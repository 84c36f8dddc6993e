"""Ghost state: the observer counts what the kick path does, and checks P2, P6 and P8 at the end of each call.

P2, exactly: a vCPU's epoch is count * 4 + phase. It becomes PREPARING before mode = IN_GUEST_MODE is stored and GUEST when the last
check has passed. The epoch is sampled when the request's bit has been set: on x86 that instruction is a full barrier, so an entry
that missed the request is PREPARING or GUEST in the sample, and one that is neither will see it. When a waiting call returns and
the same entry is in the guest, the call did not wait for it. On weaker machines a sample may be old: then an offence can be
missed, none invented.
"""
from libc.stdint cimport int32_t, uint32_t, uint64_t
from libc.string cimport memset
from minikvm.core.bits cimport ctz64, popcount64
from minikvm.core.hdr cimport hdr_record, mk_hdr
from minikvm.core.kick cimport get_vcpu, mode_needs_ipi
from minikvm.core.world cimport (
    MK_ACQUIRE, MK_ADD, MK_AND, MK_CMPXCHG, MK_EV_BLOCKED, MK_EV_CLEARED, MK_EV_CONSUMED, MK_EV_CONSUME_BEGIN, MK_EV_CONSUME_END,
    MK_EV_DEFERRED, MK_EV_ENTRY_ABORT, MK_EV_ENTRY_BEGIN, MK_EV_ENTRY_COMMIT, MK_EV_ENTRY_END, MK_EV_LOADED, MK_EV_MADE, MK_EV_MASKED,
    MK_EV_MODE, MK_EV_PUT, MK_EV_SENDING, MK_EV_WALK_BEGIN, MK_EV_WALK_END, MK_EV_WOKE, MK_EXITING_GUEST_MODE, MK_OR, MK_RELAXED,
    MK_RELEASE, MK_REQ_NO_ACTION, MK_REQ_NO_WAKEUP, MK_SEQ_CST, MK_SMP_MB, mk_bare_fence, mk_bare_load32, mk_bare_load64, mk_bare_rmw32,
    mk_bare_rmw64, mk_bare_store32, mk_bare_store64, mk_ctx, mk_observer, mk_random, mk_vcpu)
from minikvm.live.os cimport os_now, sched_yield
from minikvm.live.state cimport (
    ASIDE, HIST_SHARDS, IN_CALL, K_ABORTED_CALLS, K_BITS_SET, K_CALLS, K_CLEARED, K_COALESCED, K_DEFERRED, K_EXCESS_IPIS, K_EXITING,
    K_HANDLED, K_IPIS, K_IPIS_LINEAR, K_MADE, K_NOT_LOADED, K_OUTSIDE, K_SELF, K_SENDS, K_STALE, K_TARGETS, K_VISITED, K_VISITED_LINEAR,
    K_WOKEN, MAX_FOUND, NO_BIT_KIND, NO_CALL, N_ABORTED, N_BLOCKS, N_ENTRIES, N_WALKS, PH_GUEST, PH_OUTSIDE, PH_PREPARING, PH_WALK,
    PROP_P2, PROP_P6, PROP_P8, T_ALL, T_FIXED, bump, call_t, found_t, kind_t, lctx, line_t, live_t)


cdef int found(live_t *l, uint32_t prop, uint32_t vcpu, uint32_t kind, uint32_t who, uint64_t expected) except -1 nogil:
    """A property does not hold: count it, and keep what is seen of the vCPU while there is room."""
    cdef uint32_t n
    cdef found_t *f
    cdef mk_vcpu *v
    mk_bare_rmw64(&l.violated[prop], MK_ADD, MK_SEQ_CST, 1, 0)
    n = mk_bare_rmw32(&l.nr_found, MK_ADD, MK_SEQ_CST, 1, 0)
    if n >= MAX_FOUND:
        return 0
    f = &l.found[n]
    v = &l.vm.vcpus[vcpu]
    f.prop = prop
    f.vcpu = vcpu
    f.kind = kind
    f.who = who
    f.expected = expected
    f.mode = mk_bare_load32(&v.mode, MK_RELAXED)
    f.cpu = <int32_t>mk_bare_load32(&v.cpu, MK_RELAXED)
    f.requests = mk_bare_load64(&v.requests, MK_RELAXED)
    f.epoch = mk_bare_load64(&(<lctx *>v.priv).epoch, MK_RELAXED)
    f.at = os_now()
    mk_bare_store32(&f.ready, MK_RELEASE, 1)  # pairs with the supervisor's acquire
    return 0


cdef void record(live_t *l, uint32_t who, mk_hdr *hists, uint32_t kind, uint64_t value) noexcept nogil:
    """A histogram has one writer at a time: a shard, and its lock, by the caller's number."""
    cdef uint32_t shard = who % HIST_SHARDS
    while mk_bare_rmw64(&l.hist_lock[shard], MK_CMPXCHG, MK_ACQUIRE, 1, 0) != 0:
        sched_yield()
    hdr_record(&hists[kind * HIST_SHARDS + shard], value)
    mk_bare_store64(&l.hist_lock[shard], MK_RELEASE, 0)


cdef inline uint64_t epoch_of(mk_vcpu *v) noexcept nogil:
    return mk_bare_load64(&(<lctx *>v.priv).epoch, MK_ACQUIRE)


cdef inline size_t cell(live_t *l, uint32_t kind, uint32_t vcpu) noexcept nogil:
    return <size_t>kind * l.vm.nr_vcpus + vcpu


cdef inline void mark(uint64_t *bitmap, uint32_t bit) noexcept nogil:
    bitmap[bit >> 6] |= (<uint64_t>1) << (bit & 63)


# ---- the kicker's events ----

cdef int made(lctx *t, mk_vcpu *v, uint32_t nr, uint64_t old) noexcept nogil:
    cdef call_t *call = &t.call
    cdef kind_t *k = &t.kinds[nr]
    bump(&k.n[K_MADE], 1)
    if old:
        bump(&k.n[K_COALESCED], 1)
    else:
        bump(&k.n[K_BITS_SET], 1)
        mk_bare_store64(&t.l.made_at[cell(t.l, nr, v.idx)], MK_RELAXED, call.started if call.active == IN_CALL else os_now())
    if call.active == IN_CALL and call.kind == nr:
        mark(call.touched, v.idx)
        call.epoch0[v.idx] = epoch_of(v)
    return 0


cdef int masked(lctx *t, mk_vcpu *v, int32_t cpu, bint added) noexcept nogil:
    cdef call_t *call = &t.call
    if call.active != IN_CALL:
        return 0
    mark(call.touched, v.idx)  # before 5.16 the mode of a vCPU without a pCPU, or on the caller's, was not looked at
    if added:
        if call.nr_ipis < t.l.vm.nr_vcpus:
            call.ipi_vcpu[call.nr_ipis] = v.idx
            call.ipi_cpu[call.nr_ipis] = cpu
            call.nr_ipis += 1
    elif cpu < 0:
        bump(&t.kinds[call.kind].n[K_NOT_LOADED], 1)
    else:
        bump(&t.kinds[call.kind].n[K_SELF], 1)
    return 0


cdef int sending(lctx *t, const uint64_t *mask) noexcept nogil:
    """One send: how many IPIs, how many to a pCPU that its vCPU has left, how many that no target asked for."""
    cdef call_t *call = &t.call
    cdef kind_t *k
    cdef uint64_t count = 0
    cdef uint64_t asked = 0
    cdef uint32_t i
    cdef int32_t cpu
    cdef mk_vcpu *v
    if call.active != IN_CALL:
        return 0
    k = &t.kinds[call.kind]
    if call.kind == NO_BIT_KIND and mask == <const uint64_t *>t.l.vm.online:  # everybody is kicked, and nothing else is asked for
        for i in range(t.l.vm.vcpu_words):
            call.touched[i] |= call.targets[i]
    for i in range(t.l.vm.mask_words):
        count += popcount64(mask[i] & t.l.vm.online[i])
    if t.c.pcpu >= 0 and mask[t.c.pcpu >> 6] >> (t.c.pcpu & 63) & 1:
        count -= 1
    bump(&k.n[K_IPIS], count)
    bump(&k.n[K_SENDS], 1)
    for i in range(call.nr_ipis):
        cpu = call.ipi_cpu[i]
        if mask[cpu >> 6] >> (cpu & 63) & 1:
            asked += 1
            v = &t.l.vm.vcpus[call.ipi_vcpu[i]]
            if <int32_t>mk_bare_load32(&v.cpu, MK_RELAXED) != cpu:
                bump(&k.n[K_STALE], 1)
    if count > asked:
        bump(&k.n[K_EXCESS_IPIS], count - asked)
    return 0


cdef int mode_read(lctx *t, mk_vcpu *v, uint64_t mode, bint needs) noexcept nogil:
    if t.call.active == IN_CALL:
        mark(t.call.touched, v.idx)
        if not needs:
            bump(&t.kinds[t.call.kind].n[K_EXITING if mode == MK_EXITING_GUEST_MODE else K_OUTSIDE], 1)
    return 0


# ---- the vCPU's events ----

cdef int consumed(lctx *t, mk_vcpu *v, uint32_t nr) noexcept nogil:
    cdef uint64_t at = mk_bare_load64(&t.l.made_at[cell(t.l, nr, v.idx)], MK_RELAXED)
    cdef uint64_t now = os_now()
    t.consuming |= (<uint64_t>1) << nr
    mk_bare_rmw64(&t.wake_owed, MK_AND, MK_RELAXED, ~((<uint64_t>1) << nr), 0)
    bump(&t.kinds[nr].n[K_HANDLED], 1)
    if at and now > at:
        record(t.l, t.c.id, t.l.handle_hist, nr, now - at)
    return 0


cdef int seen(lctx *t, mk_vcpu *v, uint32_t nr) noexcept nogil:
    """The payload is read by who handles the request."""
    mk_bare_store64(&t.l.seen[cell(t.l, nr, v.idx)], MK_RELAXED, mk_bare_load64(&t.l.payload[cell(t.l, nr, v.idx)], MK_RELAXED))
    return 0


cdef int set_phase(lctx *t, bint begins, uint64_t phase) noexcept nogil:
    cdef uint64_t epoch = mk_bare_load64(&t.epoch, MK_RELAXED) >> 2
    mk_bare_store64(&t.epoch, MK_RELEASE, (epoch + (1 if begins else 0)) << 2 | phase)
    return 0


cdef int event(mk_ctx *c, int kind, mk_vcpu *v, uint64_t a, uint64_t b) except -1 nogil:
    cdef lctx *t = <lctx *>c
    if kind == MK_EV_MADE:
        made(t, v, <uint32_t>a, b)
    elif kind == MK_EV_MODE:
        mode_read(t, v, a, b != 0)
    elif kind == MK_EV_MASKED:
        masked(t, v, <int32_t><uint32_t>a, b != 0)
    elif kind == MK_EV_SENDING:
        sending(t, <const uint64_t *>a)
    elif kind == MK_EV_WOKE:
        if t.call.active == IN_CALL:
            mark(t.call.touched, v.idx)
            bump(&t.kinds[t.call.kind].n[K_WOKEN], 1)
    elif kind == MK_EV_DEFERRED:
        bump(&t.kinds[a].n[K_DEFERRED], 1)
        if t.call.active == IN_CALL:
            mark(t.call.touched, v.idx)
            mark(t.call.deferred, v.idx)
    elif kind == MK_EV_CLEARED:
        if b:
            bump(&t.kinds[a].n[K_CLEARED], 1)
    elif kind == MK_EV_CONSUME_BEGIN:
        t.consuming = 0
        mk_bare_store32(&t.handling, MK_RELAXED, mk_bare_load32(&t.handling, MK_RELAXED) + 1)
        mk_bare_fence(MK_SMP_MB)  # odd before the bit is cleared: pairs with the two acquires in check_payload()
    elif kind == MK_EV_CONSUMED:
        consumed(t, v, <uint32_t>a)
    elif kind == MK_EV_CONSUME_END:
        if t.consuming:
            mk_bare_store32(&t.aborts, MK_RELAXED, 0)
        while t.consuming:
            seen(t, v, <uint32_t>ctz64(t.consuming))
            t.consuming &= t.consuming - 1
        mk_bare_store32(&t.handling, MK_RELEASE, mk_bare_load32(&t.handling, MK_RELAXED) + 1)
    elif kind == MK_EV_PUT:
        if t.call.active == IN_CALL:
            t.call.active = ASIDE
    elif kind == MK_EV_LOADED:
        if t.call.active == ASIDE:
            t.call.active = IN_CALL
    elif kind == MK_EV_ENTRY_BEGIN:
        set_phase(t, True, PH_PREPARING)
    elif kind == MK_EV_ENTRY_COMMIT:
        set_phase(t, False, PH_GUEST)
        bump(&t.n[N_ENTRIES], 1)
        mk_bare_store32(&t.aborts, MK_RELAXED, 0)
    elif kind == MK_EV_ENTRY_END or kind == MK_EV_WALK_END:
        set_phase(t, False, PH_OUTSIDE)
    elif kind == MK_EV_ENTRY_ABORT:
        bump(&t.n[N_ABORTED], 1)
        bump(&t.beat, 1)  # it runs, though it gets nowhere: else no watchdog could tell P5 from a thread without a host CPU
        if a & ~c.vm.gate_mask & ~c.vm.sticky_mask:
            mk_bare_store32(&t.aborts, MK_RELAXED, mk_bare_load32(&t.aborts, MK_RELAXED) + 1)
    elif kind == MK_EV_WALK_BEGIN:
        set_phase(t, True, PH_WALK)
        bump(&t.n[N_WALKS], 1)
    elif kind == MK_EV_BLOCKED:
        bump(&t.n[N_BLOCKS], 1)
    return 0


cdef mk_observer OBSERVER
OBSERVER.event = event


cdef const mk_observer *live_observer() noexcept nogil:
    return &OBSERVER


# ---- one call ----

cdef int pick_targets(lctx *t, line_t *line) noexcept nogil:
    """Resolve the line's targets into call.targets; random ones are drawn without repetition. Holes are never targets."""
    cdef call_t *call = &t.call
    cdef uint32_t i, left
    cdef uint32_t n = t.l.vm.nr_vcpus
    if line.targets_kind == T_FIXED:
        for i in range(t.l.vm.vcpu_words):
            call.targets[i] = line.targets[i]
        return 0
    memset(call.targets, 0, t.l.vm.vcpu_words * sizeof(uint64_t))
    if line.targets_kind == T_ALL:
        for i in range(n):
            if get_vcpu(t.l.vm, i) is not NULL:
                mark(call.targets, i)
        return 0
    left = line.nr_targets
    while left:
        i = <uint32_t>(mk_random(&t.c) % n)
        if get_vcpu(t.l.vm, i) is not NULL and not call.targets[i >> 6] >> (i & 63) & 1:
            mark(call.targets, i)
            left -= 1
    return 0


cdef int begin_call(lctx *t, line_t *line) except -1 nogil:
    """Targets, payloads, samples, and what `linear` would have done at this moment."""
    cdef live_t *l = t.l
    cdef call_t *call = &t.call
    cdef kind_t *k = &t.kinds[line.kind]
    cdef mk_vcpu *v
    cdef uint64_t word
    cdef uint32_t w
    cdef int32_t cpu
    pick_targets(t, line)
    memset(call.touched, 0, l.vm.vcpu_words * sizeof(uint64_t))
    memset(call.deferred, 0, l.vm.vcpu_words * sizeof(uint64_t))
    call.kind = line.kind
    call.nr_ipis = 0
    call.aborted = 0
    for w in range(l.vm.vcpu_words):
        word = call.targets[w]
        bump(&k.n[K_TARGETS], popcount64(word))
        while word:
            v = &l.vm.vcpus[w * 64 + ctz64(word)]
            word &= word - 1
            call.epoch0[v.idx] = epoch_of(v)
            if not line.req & MK_REQ_NO_ACTION:
                if not line.req & MK_REQ_NO_WAKEUP:  # before the bit: what the vCPU consumes meanwhile may hide a debt, never invent one
                    mk_bare_rmw64(&(<lctx *>v.priv).wake_owed, MK_OR, MK_RELAXED, (<uint64_t>1) << line.kind, 0)
                t.payload[v.idx] = mk_bare_rmw64(&l.payload[cell(l, line.kind, v.idx)], MK_ADD, MK_RELAXED, 1, 0) + 1
            cpu = <int32_t>mk_bare_load32(&v.cpu, MK_RELAXED)
            if (line.req & MK_REQ_NO_WAKEUP or not mk_bare_load32(&v.wait, MK_RELAXED)) and cpu >= 0 and cpu != t.c.pcpu:
                if mode_needs_ipi(mk_bare_load32(&v.mode, MK_RELAXED), line.req):
                    bump(&k.n[K_IPIS_LINEAR], 1)
    bump(&k.n[K_CALLS], 1)
    bump(&k.n[K_VISITED_LINEAR], l.vm.nr_vcpus)
    t.c.visited = 0
    call.active = IN_CALL
    call.started = os_now()
    return 0


cdef int check_wait(lctx *t, mk_vcpu *v) except -1 nogil:
    """P2: the call has returned; is an entry or a walk still going on that had missed the request?"""
    cdef uint64_t before = t.call.epoch0[v.idx]
    cdef uint64_t now = epoch_of(v)
    if now >> 2 != before >> 2:
        return 0
    if (now & 3) == (before & 3) == PH_WALK or (now & 3) == PH_GUEST and (before & 3) != PH_OUTSIDE:
        found(t.l, PROP_P2, v.idx, t.call.kind, t.c.id, before)
    return 0


cdef int check_payload(lctx *t, mk_vcpu *v) except -1 nogil:
    """P6: the bit is clear and nothing is being handled, so whoever cleared it has read this call's payload or a newer one."""
    cdef live_t *l = t.l
    cdef uint32_t kind = t.call.kind
    cdef lctx *target = <lctx *>v.priv
    # Acquire, twice: pairs with the release of `handling` after the payload was noted, and with the barrier before the clear.
    if mk_bare_load64(&v.requests, MK_ACQUIRE) >> kind & 1 or mk_bare_load32(&target.handling, MK_ACQUIRE) & 1:
        return 0
    bump(&t.checked_payloads, 1)
    if mk_bare_load64(&l.seen[cell(l, kind, v.idx)], MK_ACQUIRE) < t.payload[v.idx]:
        found(l, PROP_P6, v.idx, kind, t.c.id, t.payload[v.idx])
    return 0


cdef int end_call(lctx *t, line_t *line, uint64_t ended) except -1 nogil:
    """The accounts of a call that has returned, and its checks of P2, P6 and P8."""
    cdef live_t *l = t.l
    cdef call_t *call = &t.call
    cdef kind_t *k = &t.kinds[line.kind]
    cdef mk_vcpu *v
    cdef uint64_t word
    cdef uint32_t w, bit
    call.active = NO_CALL
    bump(&k.n[K_VISITED], t.c.visited)
    if call.aborted or mk_bare_load32(&l.vm.stopping, MK_RELAXED):
        bump(&k.n[K_ABORTED_CALLS], 1)
        return 0
    record(l, t.c.id, l.call_hist, line.kind, ended - call.started)
    for w in range(l.vm.vcpu_words):
        word = call.targets[w] ^ call.touched[w]
        if word:
            bit = w * 64 + ctz64(word)
            found(l, PROP_P8, bit, line.kind, t.c.id, call.targets[w] >> (bit & 63) & 1)
        word = call.targets[w]
        bump(&t.checked_targets, popcount64(word))
        while word:
            v = &l.vm.vcpus[w * 64 + ctz64(word)]
            word &= word - 1
            if line.wait:
                bump(&t.checked_waits, 1)
                check_wait(t, v)
            if line.req & MK_REQ_NO_ACTION or line.gate:
                continue
            if (call.touched[w] & ~call.deferred[w]) >> (v.idx & 63) & 1:  # a target that was missed is P8's, and has no bit to follow
                check_payload(t, v)
    return 0


cdef int check_gate(lctx *t, line_t *line) except -1 nogil:
    """Behind a closed entry gate whose waiting call has returned, no target is in the guest."""
    cdef uint64_t word
    cdef uint32_t w
    cdef mk_vcpu *v
    if not line.wait or t.call.aborted or mk_bare_load32(&t.l.vm.stopping, MK_RELAXED):
        return 0
    for w in range(t.l.vm.vcpu_words):
        word = t.call.targets[w]
        while word:
            v = &t.l.vm.vcpus[w * 64 + ctz64(word)]
            word &= word - 1
            bump(&t.checked_waits, 1)
            if (epoch_of(v) & 3) == PH_GUEST:
                found(t.l, PROP_P2, v.idx, line.kind, t.c.id, t.call.epoch0[v.idx])
    return 0
