"""What a Standalone VM stands on: it records, performs the bare access, and asks hooks where a real machine would do something."""
cimport cython
from libc.stdint cimport int32_t, uint32_t, uint64_t
from libc.string cimport memset
from minikvm.core.bitmap cimport bm_copy
from minikvm.core.cpumask cimport CpuMask
from minikvm.core.native cimport injector_from
from minikvm.core.world cimport (
    MK_ABI, MK_ACQUIRE, MK_CMPXCHG, MK_GO, MK_RMW_OPS, MK_NR_POINTS, MK_OUTSIDE_GUEST_MODE,
    MK_READING_SHADOW_PAGE_TABLES, MK_RELAXED, MK_RELEASE, MK_SMP_MB, mk_atomic32, mk_atomic64, mk_bare_fence, mk_bare_load32,
    mk_bare_load64, mk_bare_rmw32, mk_bare_rmw64, mk_bare_store32, mk_bare_store64, mk_injector, mk_point_names, mk_vcpu)

from collections import namedtuple as _namedtuple

Op = _namedtuple("Op", "op name order value operand vcpu", defaults=("", "", None, None, None), module=__name__)
Op.__doc__ = """One entry of a trace.

op: load, store, or, and, add, xchg, cmpxchg, fence, lock, unlock (the memory's); point; choose; call (the machine's); event (the
observer's).
name: the location, fence, point, machine function or event. order: relaxed, release, ..., full; of a fence: mb, wmb, rmb, before_atomic,
after_atomic or barrier; of call_many: wait or nowait. value: what was read (of an RMW: the old value) or stored, the machine's argument,
an event's a. operand: an RMW's, the n of choose, an event's b. vcpu: the index of the vCPU it is about, or None.
"""

MEMORY_OPS = frozenset(["load", "store", "or", "and", "add", "xchg", "cmpxchg", "xor", "fence", "lock", "unlock"])
cdef tuple ORDERS = ("plain", "relaxed", "acquire", "release", "acq_rel", "seq_cst", "full")
cdef tuple RMWS = ("or", "and", "add", "xchg", "cmpxchg", "xor")
cdef tuple FENCES = ("mb", "wmb", "rmb", "before_atomic", "after_atomic", "barrier")
POINTS = tuple([(<const char *>mk_point_names[i]).decode() for i in range(MK_NR_POINTS)])
# enum mk_event, in its order
EVENTS = (
    "made", "deferred", "woke", "mode", "masked", "sending", "cleared", "consumed", "consume_begin", "consume_end", "entry_begin",
    "entry_commit", "entry_end", "entry_abort", "walk_begin", "walk_end", "blocked", "unblocked", "loaded", "put")
VERDICTS = {"go": 0, "fail": 1, "ipi_late": 2, "ipi_lost": 3}


@cython.final
cdef class Recorder:
    """trace: the Ops so far. hooks: machine function name -> callable(*its arguments), whose int (None: 0) is returned to the caller.

    verdicts: point name -> what an injector would say there. at_point: callable(point name, vCPU index or None) -> verdict name or None,
    called at every point, to interleave by hand. answers: of the next choose() calls (then 0, or 1 where the
    probability is 1). work: is other work pending?
    injectors: capsules, asked at their points after the two above; what an injector does is not asked about again.
    """

    def __cinit__(self):
        self.trace = []
        self.hooks = {}
        self.verdicts = {}
        self.answers = []
        self.injectors = []
        self.native.recorder = <void *>self


cdef inline rig *rig_of(mk_ctx *c) noexcept nogil:
    return <rig *>c.priv


cdef inline Recorder recorder_of(mk_ctx *c):
    return <Recorder>rig_of(c).recorder


cdef object vcpu_at(mk_ctx *c, const void *address):
    """The index of the vCPU that the address lies in, or None."""
    cdef size_t first = <size_t>c.vm.vcpus, at = <size_t>address
    if first <= at < first + c.vm.nr_vcpus * sizeof(mk_vcpu):
        return (at - first) // sizeof(mk_vcpu)
    return None


cdef object subject(mk_vcpu *v):
    return None if v == NULL else v.idx


cdef object shown(uint64_t value, int size):
    """A 32-bit word is signed: vcpu.cpu is -1 when there is none."""
    return <int32_t><uint32_t>value if size == 4 else value


cdef int told(mk_ctx *c, str function, object vcpu, object value, str order, int otherwise) except -1:
    """Record a call of the machine and ask its hook; *otherwise* is the answer without one."""
    cdef Recorder self = recorder_of(c)
    self.trace.append(Op("call", function, order, value, None, vcpu))
    hook = self.hooks.get(function)
    if hook is None:
        return otherwise
    result = hook(*[x for x in (vcpu, value) if x is not None])
    if result is None:
        return 0
    if result < 0:
        raise ValueError(f"the hook of {function} returned {result}: expected None or an int from 0 up")
    return int(result)


# ---- the machine ----

cdef int call_many_gil(mk_ctx *c, const uint64_t *mask, int wait) except -1 with gil:
    cdef CpuMask copy = CpuMask(c.vm.nr_pcpus)
    bm_copy(copy.words, mask, c.vm.nr_pcpus)
    return told(c, "call_many", None, copy, "wait" if wait else "nowait", 0)

cdef int call_many(mk_ctx *c, const uint64_t *mask, int wait) except -1 nogil:
    rig_of(c).calls += 1
    return 0 if rig_of(c).quiet else call_many_gil(c, mask, wait)

cdef int call_wait_gil(mk_ctx *c) except -1 with gil:
    return told(c, "call_wait", None, None, "", 0)

cdef int call_wait(mk_ctx *c) except -1 nogil:
    return 0 if rig_of(c).quiet else call_wait_gil(c)

cdef int reschedule_gil(mk_ctx *c, int32_t pcpu) except -1 with gil:
    return told(c, "reschedule", None, pcpu, "", 0)

cdef int reschedule(mk_ctx *c, int32_t pcpu) except -1 nogil:
    return 0 if rig_of(c).quiet else reschedule_gil(c, pcpu)

cdef int irq_disable(mk_ctx *c) except -1 with gil:
    c.irqs_off += 1
    return told(c, "irq_disable", None, None, "", 0)

cdef int irq_enable(mk_ctx *c) except -1 with gil:
    if c.irqs_off == 0:
        raise RuntimeError("irq_enable: IRQs are on already")
    c.irqs_off -= 1
    return told(c, "irq_enable", None, None, "", 0)

cdef int schedule(mk_ctx *c) except -1 with gil:
    c.need_resched = 0
    return told(c, "schedule", None, None, "", 0)

cdef int work_pending(mk_ctx *c) except -1 with gil:
    return told(c, "work_pending", None, None, "", recorder_of(c).work)

cdef int enter_guest(mk_ctx *c, mk_vcpu *v) except -1 with gil:
    return told(c, "enter_guest", v.idx, None, "", 0)

cdef int block(mk_ctx *c, mk_vcpu *v) except -1 with gil:
    """The sleep ends at once, as if by a timer."""
    told(c, "block", v.idx, None, "", 0)
    mk_bare_store32(&v.wait, MK_RELAXED, 0)
    return 0

cdef int wake_gil(mk_ctx *c, mk_vcpu *v) except -1 with gil:
    return told(c, "wake", v.idx, None, "", 0)

cdef int wake(mk_ctx *c, mk_vcpu *v) except -1 nogil:
    return 0 if rig_of(c).quiet else wake_gil(c, v)

cdef int walk(mk_ctx *c, mk_vcpu *v) except -1 with gil:
    return told(c, "walk", v.idx, None, "", 0)

cdef int handle(mk_ctx *c, mk_vcpu *v, unsigned nr) except -1 with gil:
    return told(c, "handle", v.idx, nr, "", 0)

cdef int await_requests(mk_ctx *c, mk_vcpu *v, uint64_t seen) except -1 with gil:
    return told(c, "await_requests", v.idx, seen, "", 0)

cdef int membarrier(mk_ctx *c) except -1 nogil:
    mk_bare_fence(MK_SMP_MB)
    return 0 if rig_of(c).quiet else membarrier_gil(c)

cdef int membarrier_gil(mk_ctx *c) except -1 with gil:
    return told(c, "membarrier", None, None, "", 0)

cdef int lock_slow(mk_ctx *c, mk_atomic64 *lock) except -1 with gil:
    raise RuntimeError("a lock that is held is taken again: with one context that is a deadlock")

cdef int idle_guest(mk_ctx *c, mk_vcpu *v, uint64_t ns) except -1 with gil:
    return told(c, "idle_guest", v.idx, ns, "", 0)

cdef int migrate(mk_ctx *c, mk_vcpu *v, int walks) except -1 with gil:
    """It leaves the guest and is loaded on the next pCPU, where it walks if asked."""
    cdef int32_t cpu = <int32_t>mk_bare_load32(&v.cpu, MK_RELAXED)
    cdef bint moves = cpu >= 0 and c.vm.nr_pcpus > 1
    if moves:
        mk_bare_store32(&v.mode, MK_RELAXED, MK_READING_SHADOW_PAGE_TABLES if walks else MK_OUTSIDE_GUEST_MODE)
        mk_bare_store32(&v.cpu, MK_RELAXED, (cpu + 1) % c.vm.nr_pcpus)
    return told(c, "migrate", v.idx, bool(walks), "", moves)

cdef int preempt(mk_ctx *c) except -1 with gil:
    return told(c, "preempt", None, None, "", c.preempt_count == 0 and c.irqs_off == 0)

cdef int delay(mk_ctx *c, uint64_t ns) except -1 with gil:
    return told(c, "delay", None, ns, "", 1)

cdef int spurious_ipi(mk_ctx *c, int32_t pcpu) except -1 with gil:
    return told(c, "spurious_ipi", None, pcpu, "", 1)

cdef int spurious_wakeup(mk_ctx *c, mk_vcpu *v) except -1 with gil:
    cdef uint32_t i
    cdef bint woken = False
    for i in range(c.vm.nr_vcpus):
        if (v == NULL or v == &c.vm.vcpus[i]) and mk_bare_load32(&c.vm.vcpus[i].wait, MK_RELAXED):
            v = &c.vm.vcpus[i]
            mk_bare_store32(&v.wait, MK_RELAXED, 0)
            woken = True
            break
    return told(c, "spurious_wakeup", subject(v), None, "", woken)


# ---- the world ----

cdef int world_load(mk_ctx *c, const void *address, int size, int order, const char *name, uint64_t *value) except -1 with gil:
    value[0] = mk_bare_load32(<const mk_atomic32 *>address, order) if size == 4 else mk_bare_load64(<const mk_atomic64 *>address, order)
    recorder_of(c).trace.append(Op("load", name.decode(), ORDERS[order], shown(value[0], size), None, vcpu_at(c, address)))
    return 0

cdef int world_store(mk_ctx *c, void *address, int size, int order, const char *name, uint64_t value) except -1 with gil:
    if size == 4:
        mk_bare_store32(<mk_atomic32 *>address, order, <uint32_t>value)
    else:
        mk_bare_store64(<mk_atomic64 *>address, order, value)
    recorder_of(c).trace.append(Op("store", name.decode(), ORDERS[order], shown(value, size), None, vcpu_at(c, address)))
    return 0

cdef int world_rmw(mk_ctx *c, void *address, int size, int op, int order, const char *name, uint64_t operand, uint64_t expected,
                   uint64_t *old) except -1 with gil:
    if size == 4:
        old[0] = mk_bare_rmw32(<mk_atomic32 *>address, op, order, <uint32_t>operand, <uint32_t>expected)
    else:
        old[0] = mk_bare_rmw64(<mk_atomic64 *>address, op, order, operand, expected)
    recorder_of(c).trace.append(
        Op(RMWS[op & MK_RMW_OPS], name.decode(), ORDERS[order], shown(old[0], size), shown(operand, size), vcpu_at(c, address)))
    return 0

cdef int world_fence(mk_ctx *c, int kind, const char *name) except -1 with gil:
    mk_bare_fence(kind)
    recorder_of(c).trace.append(Op("fence", name.decode(), FENCES[kind]))
    return 0

cdef int world_point(mk_ctx *c, int point, mk_vcpu *v) except -1 with gil:
    cdef Recorder self = recorder_of(c)
    cdef str name = POINTS[point]
    cdef int verdict
    self.trace.append(Op("point", name, "", None, None, subject(v)))
    said = self.at_point(name, subject(v)) if self.at_point is not None else None
    verdict = VERDICTS[self.verdicts.get(name, "go") if said is None else said]
    return verdict if verdict != MK_GO or self.asking else asked(self, c, point, v)

cdef int asked(Recorder self, mk_ctx *c, int point, mk_vcpu *v) except -1:
    """The first injector's verdict that is not to go on."""
    cdef mk_injector *injector
    cdef int verdict
    self.asking = True
    try:
        for capsule in self.injectors:
            injector = injector_from(capsule)
            if not injector.points >> point & 1:
                continue
            verdict = injector.at(c, injector, point, v)
            if verdict != MK_GO:
                return verdict
    finally:
        self.asking = False
    return MK_GO

cdef int world_choose(mk_ctx *c, int n, double probability, const char *name) except -1 with gil:
    cdef Recorder self = recorder_of(c)
    answer = self.answers.pop(0) if self.answers else int(n > 1 and probability >= 1)
    if not 0 <= answer < n:
        raise ValueError(f"choose({n}) at {name.decode()} is to answer {answer}: expected 0 to {n - 1}")
    self.trace.append(Op("choose", name.decode(), "", answer, n))
    return answer

cdef int world_lock(mk_ctx *c, mk_atomic64 *lock, const char *name) except -1 with gil:
    if mk_bare_rmw64(lock, MK_CMPXCHG, MK_ACQUIRE, 1, 0) != 0:
        lock_slow(c, lock)
    recorder_of(c).trace.append(Op("lock", name.decode(), "acquire", None, None, vcpu_at(c, lock)))
    return 0

cdef int world_unlock(mk_ctx *c, mk_atomic64 *lock, const char *name) except -1 with gil:
    mk_bare_store64(lock, MK_RELEASE, 0)
    recorder_of(c).trace.append(Op("unlock", name.decode(), "release", None, None, vcpu_at(c, lock)))
    return 0


# ---- the observer ----

cdef int observed(mk_ctx *c, int event, mk_vcpu *v, uint64_t a, uint64_t b) except -1 with gil:
    cdef CpuMask copy
    value = a
    if EVENTS[event] == "masked":
        value = <int32_t><uint32_t>a
    elif EVENTS[event] == "sending":
        copy = CpuMask(c.vm.nr_pcpus)
        bm_copy(copy.words, <const uint64_t *>a, c.vm.nr_pcpus)
        value = copy
    recorder_of(c).trace.append(Op("event", EVENTS[event], "", value, b, subject(v)))
    return 0


memset(&recording_machine, 0, sizeof(recording_machine))
recording_machine.abi = MK_ABI
recording_machine.size = sizeof(recording_machine)
recording_machine.call_many = call_many
recording_machine.call_wait = call_wait
recording_machine.reschedule = reschedule
recording_machine.irq_disable = irq_disable
recording_machine.irq_enable = irq_enable
recording_machine.schedule = schedule
recording_machine.work_pending = work_pending
recording_machine.enter_guest = enter_guest
recording_machine.block = block
recording_machine.wake = wake
recording_machine.walk = walk
recording_machine.handle = handle
recording_machine.await_requests = await_requests
recording_machine.membarrier = membarrier
recording_machine.lock_slow = lock_slow
recording_machine.idle_guest = idle_guest
recording_machine.migrate = migrate
recording_machine.preempt = preempt
recording_machine.delay = delay
recording_machine.spurious_ipi = spurious_ipi
recording_machine.spurious_wakeup = spurious_wakeup
memset(&recording_world, 0, sizeof(recording_world))
recording_world.abi = MK_ABI
recording_world.size = sizeof(recording_world)
recording_world.load = world_load
recording_world.store = world_store
recording_world.rmw = world_rmw
recording_world.fence = world_fence
recording_world.point = world_point
recording_world.choose = world_choose
recording_world.lock = world_lock
recording_world.unlock = world_unlock
recording_observer.event = observed
