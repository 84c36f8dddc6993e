"""The vCPU's side of the protocol, written once for every world and both architectures.

Sources: arch/x86/kvm/x86.c vcpu_enter_guest(), arch/arm64/kvm/arm.c kvm_arch_vcpu_ioctl_run(), virt/kvm/kvm_main.c
kvm_vcpu_block(), arch/x86/kvm/mmu/mmu.c walk_shadow_page_lockless_begin(), all v6.18.
"""
from libc.stdint cimport uint32_t, uint64_t
from minikvm.core.bits cimport ctz64
from minikvm.core.native cimport loop_capsule
from minikvm.core.requests cimport check_request, request_pending
from minikvm.core.world cimport (
    MK_ABI, MK_CMPXCHG, MK_EV_BLOCKED, MK_EV_CONSUME_BEGIN, MK_EV_CONSUME_END, MK_EV_ENTRY_ABORT, MK_EV_ENTRY_BEGIN, MK_EV_ENTRY_COMMIT,
    MK_EV_ENTRY_END, MK_EV_LOADED, MK_EV_PUT, MK_EV_UNBLOCKED, MK_EV_WALK_BEGIN, MK_EV_WALK_END, MK_EXITING_GUEST_MODE, MK_FULL,
    MK_IN_GUEST_MODE, MK_LOOP_PUT_CLEARS_CPU, MK_OUTSIDE_GUEST_MODE, MK_PT_BLOCK_PUBLISHED, MK_PT_BLOCK_SLEEP, MK_PT_BLOCK_TEST,
    MK_PT_BLOCK_WOKEN, MK_PT_ENTRY_ABORT, MK_PT_ENTRY_ENTER, MK_PT_ENTRY_EXIT, MK_PT_ENTRY_IRQS_OFF, MK_PT_ENTRY_LAST_CHECK,
    MK_PT_ENTRY_MODE, MK_PT_ENTRY_OUTSIDE, MK_PT_VCPU_CHECK, MK_PT_VCPU_HANDLED, MK_PT_VCPU_LOADED, MK_PT_VCPU_PUT, MK_PT_WALK_BEGIN,
    MK_PT_WALK_END, MK_READING_SHADOW_PAGE_TABLES, MK_RELAXED, MK_RELEASE, MK_SMP_MB, MK_SMP_WMB, mk_fence, mk_load32,
    mk_loop, mk_note, mk_point, mk_remember, mk_rmw32, mk_store32, mk_strategy)
from minikvm.core.kick cimport put_cpu


cdef extern from *:
    """
    /* A pass in one piece, though loops may take the pieces: said with force, as in kick.pxd. */
    #include <minikvm/minikvm.h>
    #if defined(__GNUC__) && defined(__OPTIMIZE__)
    #define INLINE(name) static inline int __pyx_f_7minikvm_4core_5entry_##name
    INLINE(handle_these)(mk_ctx *, mk_vcpu *, uint64_t) __attribute__((always_inline));
    INLINE(begin_entry)(mk_ctx *, mk_vcpu *, int) __attribute__((always_inline));
    INLINE(run_guest)(mk_ctx *, mk_vcpu *, int) __attribute__((always_inline));
    INLINE(enter_handled)(mk_ctx *, mk_vcpu *, int, int, int) __attribute__((always_inline));
    INLINE(publish_sleeper)(mk_ctx *, mk_vcpu *) __attribute__((always_inline));
    INLINE(has_wake_event)(mk_ctx *, mk_vcpu *) __attribute__((always_inline));
    INLINE(sleep_until_woken)(mk_ctx *, mk_vcpu *) __attribute__((always_inline));
    #endif
    """


cdef inline int passed(mk_ctx *c, int point, mk_vcpu *v) except -1 nogil:
    """A point on the vCPU's own side: remembered for the watchdog's dump, then offered to the injectors."""
    mk_remember(c, point)
    mk_point(c, point, v)
    return 0


cdef int vcpu_load(mk_ctx *c, mk_vcpu *v) except -1 nogil:
    """kvm_arch_vcpu_load(): the caller has taken the slot ``c.pcpu``."""
    cdef const mk_strategy *s = c.vm.strategy
    mk_store32(c, &v.cpu, MK_RELAXED, b"vcpu.cpu", <uint32_t>c.pcpu)
    if s.on_load != NULL:
        s.on_load(c, s, v)
    mk_note(c, MK_EV_LOADED, v, c.pcpu, 0)
    return passed(c, MK_PT_VCPU_LOADED, v)


cdef int vcpu_put(mk_ctx *c, mk_vcpu *v) except -1 nogil:
    """kvm_arch_vcpu_put(): arm64 stores -1, x86 leaves vcpu.cpu stale until the next load. Only with mode OUTSIDE_GUEST_MODE."""
    cdef const mk_strategy *s = c.vm.strategy
    passed(c, MK_PT_VCPU_PUT, v)
    mk_note(c, MK_EV_PUT, v, c.pcpu, 0)
    if s.on_put != NULL:
        s.on_put(c, s, v)
    if c.vm.loop.flags & MK_LOOP_PUT_CLEARS_CPU:
        mk_store32(c, &v.cpu, MK_RELAXED, b"vcpu.cpu", <uint32_t>-1)


cdef int handle_these(mk_ctx *c, mk_vcpu *v, uint64_t handled) except -1 nogil:
    """Consume the requests among the bits *handled*, with IRQs and preemption on. Returns how many were consumed."""
    cdef uint64_t bits = 0
    cdef int consumed = 0
    cdef unsigned nr
    passed(c, MK_PT_VCPU_CHECK, v)
    request_pending(c, v, &bits)
    bits &= handled
    while bits:
        nr = ctz64(bits)
        bits &= bits - 1
        mk_note(c, MK_EV_CONSUME_BEGIN, v, nr, 0)
        if check_request(c, nr, v):
            c.vm.machine.handle(c, v, nr)
            consumed += 1
        mk_note(c, MK_EV_CONSUME_END, v, nr, 0)
    if consumed:
        passed(c, MK_PT_VCPU_HANDLED, v)
    return consumed


cdef int handle_requests(mk_ctx *c, mk_vcpu *v) except -1 nogil:
    """Opportunistic handling of all requests but gates and sticky ones. Returns how many were consumed."""
    return handle_these(c, v, ~(c.vm.gate_mask | c.vm.sticky_mask))  # a gate is its requester's to clear (R23); a sticky one stays


cdef int last_check(mk_ctx *c, mk_vcpu *v, bint checks_exiting, uint64_t *seen) except -1 nogil:
    """kvm_vcpu_exit_request(): 1 when the guest must not be entered; *seen* gets the request bits."""
    cdef uint32_t mode = MK_IN_GUEST_MODE
    cdef int work
    if checks_exiting:
        mk_load32(c, &v.mode, MK_RELAXED, b"vcpu.mode", &mode)
    request_pending(c, v, seen)
    work = c.vm.machine.work_pending(c)
    if mode == MK_EXITING_GUEST_MODE or seen[0] != 0 or work:
        mk_note(c, MK_EV_ENTRY_ABORT, v, seen[0], work or mode == MK_EXITING_GUEST_MODE)
        return 1
    return 0


cdef int leave_guest_mode(mk_ctx *c, mk_vcpu *v) except -1 nogil:
    """mode = OUTSIDE_GUEST_MODE, IRQs on: what came in the window is handled here, and acknowledged."""
    mk_store32(c, &v.mode, MK_RELAXED, b"vcpu.mode", MK_OUTSIDE_GUEST_MODE)
    mk_fence(c, MK_SMP_WMB, b"vcpu_enter_guest")
    passed(c, MK_PT_ENTRY_OUTSIDE, v)
    c.vm.machine.irq_enable(c)
    return put_cpu(c)


cdef int begin_entry(mk_ctx *c, mk_vcpu *v, int mode_order) except -1 nogil:
    """Preemption and IRQs off, mode = IN_GUEST_MODE, full barrier: all that comes before the last check."""
    cdef const mk_strategy *s = c.vm.strategy
    c.preempt_count += 1
    c.vm.machine.irq_disable(c)  # before the mode store: an IPI that comes from here on is handled only after the guest's exit (R11)
    passed(c, MK_PT_ENTRY_IRQS_OFF, v)
    mk_note(c, MK_EV_ENTRY_BEGIN, v, 0, 0)
    mk_store32(c, &v.mode, mode_order, b"vcpu.mode", MK_IN_GUEST_MODE)
    passed(c, MK_PT_ENTRY_MODE, v)
    if s.enter_barrier != NULL:
        s.enter_barrier(c, s, v)
    else:
        # The vCPU's half of the Dekker pair (R10). Pairs with the barrier in exiting_guest_mode() between requests and mode.
        mk_fence(c, MK_SMP_MB, b"vcpu_enter_guest")
    return passed(c, MK_PT_ENTRY_LAST_CHECK, v)


cdef int abort_entry(mk_ctx *c, mk_vcpu *v, int consumed, uint64_t seen) except -1 nogil:
    """The last check has found a reason, of which *seen* are the requests: out of guest mode again. *consumed*: requests, in this pass."""
    mk_note(c, MK_EV_ENTRY_END, v, 0, 0)
    passed(c, MK_PT_ENTRY_ABORT, v)
    leave_guest_mode(c, v)
    if consumed == 0 and seen != 0 and (seen & ~c.vm.gate_mask) == 0:
        c.vm.machine.await_requests(c, v, seen)  # only a gate keeps it out: wait for its requester instead of spinning (P5)
    return 0


cdef int run_guest(mk_ctx *c, mk_vcpu *v, bint checks_exiting) except -1 nogil:
    """The last check has passed: into the guest, and out of guest mode after it."""
    cdef uint64_t seen = 0
    cdef int again = 1
    while again:
        mk_note(c, MK_EV_ENTRY_COMMIT, v, 0, 0)
        passed(c, MK_PT_ENTRY_ENTER, v)
        again = c.vm.machine.enter_guest(c, v)
        passed(c, MK_PT_ENTRY_EXIT, v)
        mk_note(c, MK_EV_ENTRY_END, v, 0, 0)
        if again:  # a fast-path exit: the mode was IN_GUEST_MODE all along, only the last check is repeated
            mk_note(c, MK_EV_ENTRY_BEGIN, v, 0, 0)
            if last_check(c, v, checks_exiting, &seen):
                mk_note(c, MK_EV_ENTRY_END, v, 0, 0)
                break
    leave_guest_mode(c, v)
    return 1


cdef int enter_handled(mk_ctx *c, mk_vcpu *v, int consumed, bint checks_exiting, int mode_order) except -1 nogil:
    """The rest of a pass, after the handling of *consumed* requests: 1 after the guest was entered and left, 0 after an aborted entry."""
    cdef uint64_t seen = 0
    begin_entry(c, v, mode_order)
    if last_check(c, v, checks_exiting, &seen):
        return abort_entry(c, v, consumed, seen)
    return run_guest(c, v, checks_exiting)


cdef int vcpu_enter_guest(mk_ctx *c, mk_vcpu *v, bint checks_exiting, int mode_order) except -1 nogil:
    """One pass of the run loop: 1 after the guest was entered and left, 0 after an aborted entry."""
    return enter_handled(c, v, handle_requests(c, v), checks_exiting, mode_order)


cdef int enter_x86(mk_ctx *c, const mk_loop *l, mk_vcpu *v) except -1 nogil:
    """x86: mode is stored with release, and a last check that finds EXITING_GUEST_MODE aborts."""
    return vcpu_enter_guest(c, v, True, MK_RELEASE)


cdef int enter_arm64(mk_ctx *c, const mk_loop *l, mk_vcpu *v) except -1 nogil:
    """arm64: smp_store_mb(mode), and the last check sees only request bits and pending work (R19)."""
    return vcpu_enter_guest(c, v, False, MK_RELAXED)


cdef int walk_steps(mk_ctx *c, mk_vcpu *v, int end_order) except -1 nogil:
    """walk_shadow_page_lockless_begin/end(): table pages read here are not freed before the walk's end."""
    c.preempt_count += 1
    c.vm.machine.irq_disable(c)
    passed(c, MK_PT_WALK_BEGIN, v)
    mk_store32(c, &v.mode, MK_RELAXED, b"vcpu.mode", MK_READING_SHADOW_PAGE_TABLES)
    # Pairs with the barrier in exiting_guest_mode(): the flusher sees READING, or this walk sees its page-table changes.
    mk_fence(c, MK_SMP_MB, b"shadow_walk")
    mk_note(c, MK_EV_WALK_BEGIN, v, 0, 0)
    c.vm.machine.walk(c, v)
    mk_note(c, MK_EV_WALK_END, v, 0, 0)
    # MK_RELEASE pairs with the flusher's read of mode: who sees OUTSIDE may free the pages.
    mk_store32(c, &v.mode, end_order, b"vcpu.mode", MK_OUTSIDE_GUEST_MODE)
    passed(c, MK_PT_WALK_END, v)
    c.vm.machine.irq_enable(c)
    return put_cpu(c)


cdef int shadow_walk(mk_ctx *c, mk_vcpu *v) except -1 nogil:
    """A shadow walk, as the loop does it, or else as all do."""
    cdef const mk_loop *l = c.vm.loop
    if l.walk != NULL:
        return l.walk(c, l, v)
    return walk_steps(c, v, MK_RELEASE)


cdef int publish_sleeper(mk_ctx *c, mk_vcpu *v) except -1 nogil:
    """prepare_to_rcuwait(), a release, and set_current_state(): from here on kickers see a sleeper, whose walks are over (P4)."""
    mk_store32(c, &v.wait, MK_RELEASE, b"vcpu.wait", 1)
    passed(c, MK_PT_BLOCK_PUBLISHED, v)
    # set_current_state()'s barrier. Pairs with the one in wake_up() between the event and the test for a sleeper.
    return mk_fence(c, MK_SMP_MB, b"vcpu_block")


cdef int has_wake_event(mk_ctx *c, mk_vcpu *v) except -1 nogil:
    """kvm_vcpu_check_block(): 1 when there is something to wake up for."""
    cdef uint64_t bits = 0
    passed(c, MK_PT_BLOCK_TEST, v)
    request_pending(c, v, &bits)
    return (bits & c.vm.wake_mask) != 0


cdef int sleep_until_woken(mk_ctx *c, mk_vcpu *v) except -1 nogil:
    """schedule() until a kicker has made vcpu.wait 0. Returns 1."""
    cdef const mk_strategy *s = c.vm.strategy
    passed(c, MK_PT_BLOCK_SLEEP, v)
    mk_note(c, MK_EV_BLOCKED, v, 0, 0)
    c.vm.machine.block(c, v)
    mk_note(c, MK_EV_UNBLOCKED, v, 0, 0)
    if s.on_wake != NULL:
        s.on_wake(c, s, v)
    passed(c, MK_PT_BLOCK_WOKEN, v)
    return 1


cdef int vcpu_block(mk_ctx *c, mk_vcpu *v) except -1 nogil:
    """kvm_vcpu_block(), as the loop does it, or else as all do: 1 when it slept, 0 when there was a reason not to."""
    cdef const mk_loop *l = c.vm.loop
    cdef uint32_t old = 0
    if l.block != NULL:
        return l.block(c, l, v)
    publish_sleeper(c, v)
    if has_wake_event(c, v):
        mk_rmw32(c, &v.wait, MK_CMPXCHG, MK_FULL, b"vcpu.wait", 0, 1, &old)
        return 0
    return sleep_until_woken(c, v)


cdef mk_loop X86
X86.abi = MK_ABI
X86.size = sizeof(mk_loop)
X86.enter = enter_x86

cdef mk_loop ARM64
ARM64.abi = MK_ABI
ARM64.size = sizeof(mk_loop)
ARM64.flags = MK_LOOP_PUT_CLEARS_CPU
ARM64.enter = enter_arm64


def loops():
    """The capsules of the two run loops, by architecture: "x86" and "arm64"."""
    return {"x86": loop_capsule(&X86), "arm64": loop_capsule(&ARM64)}


cdef int entry_unannounced(mk_vcpu *v) except -1 nogil:
    """For a machine: the guest is to be entered, and nobody has noted that an entry has passed its last check."""
    with gil:
        raise RuntimeError(f"the run loop enters the guest of vCPU {v.idx} past the protocol: an entry that is not noted (entry_begin, "
                           "entry_commit after the last check, entry_end) is seen by no check. Call vcpu_enter_guest(), or note the steps")
