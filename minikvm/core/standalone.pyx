"""Standalone: the kick path and the vCPU's side, one step at a time, without threads."""
cimport cython
from libc.stdint cimport uint32_t, uint64_t
from libc.stdlib cimport calloc, free
from libc.string cimport memset
from minikvm.core.arguments cimport pcpu_number, request_value, target_mask, vcpu_of
from minikvm.core.bitmap cimport Bitmap, bm_find_next
from minikvm.core.kick cimport dispatch, make_all_cpus_request, make_vcpus_request_mask
from minikvm.core.native cimport injector_from, loop_from, strategy_from
from minikvm.core.recorder cimport recording_machine, recording_observer, recording_world
from minikvm.core.vcpu cimport VCpu, view_of
from minikvm.core.view cimport current_vm
from minikvm.core.vmview cimport expire
from minikvm.core.world cimport (
    MK_ABI, MK_CTX_TASK, MK_RELAXED, mk_bare_store32, mk_bare_store64, mk_ctx, mk_loop,
    mk_observer, mk_strategy, mk_vcpu, mk_vm, mk_world)

from collections import namedtuple as _namedtuple

from minikvm.core.adapters import python_injector as _python_injector
from minikvm.core.adapters import python_loop as _python_loop
from minikvm.core.adapters import python_strategy as _python_strategy
from minikvm.core.entry import loops as _loops
from minikvm.core.recorder import MEMORY_OPS as _MEMORY_OPS
from minikvm.core.requests import RequestRegistry as _RequestRegistry
from minikvm.core.vcpu import Mode as _Mode

Ipi = _namedtuple("Ipi", "mask wait", module=__name__)
Ipi.__doc__ = "One function-call IPI: a copy of the mask as it was given to the machine, and whether acknowledgements were asked for."


cdef int upstream(mk_ctx *c, const mk_strategy *s, uint32_t req, const uint64_t *targets) except -1 nogil:
    return make_all_cpus_request(c, req) if targets == NULL else make_vcpus_request_mask(c, req, targets)

cdef mk_strategy UPSTREAM
memset(&UPSTREAM, 0, sizeof(UPSTREAM))
UPSTREAM.abi = MK_ABI
UPSTREAM.size = sizeof(UPSTREAM)
UPSTREAM.dispatch = upstream


cdef object native_of(object plugin, str method, object adapter):
    """The capsule that was given, that a compiled plugin returns, or that *adapter* makes around a Python one."""
    if hasattr(plugin, "native"):
        return plugin.native()
    return adapter(plugin) if hasattr(plugin, method) else plugin


cdef int use_strategy(Standalone self, object strategy) except -1:
    if strategy is not None:
        self.strategy = native_of(strategy, "dispatch", _python_strategy)
        self.table.vm.strategy = strategy_from(self.strategy)
    return 0


cdef int use_loop(Standalone self, object loop) except -1:
    known = _loops()
    if isinstance(loop, str) and loop not in known:
        raise ValueError(f"loop {loop!r}: expected {', '.join(known)}, a capsule or an object with native() or enter()")
    self.loop = known[loop] if isinstance(loop, str) else native_of(loop, "enter", _python_loop)
    self.table.vm.loop = loop_from(self.loop)
    return 0


@cython.final
@cython.no_gc_clear
cdef class Standalone:
    """A VM with one context and no thread: nothing happens but what its methods do. ``Standalone(4, 4).dispatch(req, [1, 3])``.

    nr_vcpus, nr_pcpus (default: as many), ids, holes, cluster_of, node_of, apic_of: see VcpuTable. strategy: a capsule, an object with
    native() or with a Python dispatch(); None: the core's make_vcpus_request_mask(). loop: "x86", "arm64", a capsule or such an object.
    this_cpu: the pCPU that the context runs on, -1 for none. vcpu: the vCPU whose thread the context is, or None. registry: the
    RequestRegistry, default KVM's. injectors: asked at their points (world=True only); each a capsule or such an object.
    world: record every access (``ops``) on its way to the bare one. record: observe (``events``).

    ``vm`` is the CurrentVM of its context, for single steps; valid as long as this object. All vCPUs start with mode
    OUTSIDE_GUEST_MODE and cpu -1, awake, without requests. Masks of targets are a Bitmap of nr_vcpus bits, ints, or None for all.
    Not thread-safe: one thread at a time.
    """

    def __cinit__(self, nr_vcpus, nr_pcpus=None, *, strategy=None, loop="x86", injectors=(), world=False, record=False, ids=None, holes=(),
                  cluster_of=None, node_of=None, apic_of=None, this_cpu=0, vcpu=None, registry=None, seed=1):
        cdef mk_vm *vm
        self.table = VcpuTable(nr_vcpus, nr_vcpus if nr_pcpus is None else nr_pcpus, ids, holes, cluster_of, node_of, apic_of)
        self.recorder = Recorder()
        self.registry = _RequestRegistry() if registry is None else registry
        self.table.use_requests(self.registry)
        vm = self.table.vm
        self.scratch = <uint64_t *>calloc(vm.mask_words + vm.vcpu_words, sizeof(uint64_t))
        if self.scratch == NULL:
            raise MemoryError("no memory for the context's scratch masks")
        vm.machine = &recording_machine
        vm.strategy = &UPSTREAM
        self.c.vm = vm
        self.c.world = vm.world = &recording_world if world else NULL
        self.c.observer = &recording_observer if record else NULL
        self.c.scratch = self.scratch
        self.c.priv = &self.recorder.native
        self.c.point_pcpu = -1
        self.c.kind = MK_CTX_TASK
        self.c.rng[0] = <uint64_t>(seed * 0x9e3779b97f4a7c15 & 0xffffffffffffffff) or 1
        self.c.rng[1] = <uint64_t>(seed & 0xffffffffffffffff) or 1
        self.this_cpu = this_cpu
        if vcpu is not None:
            self.c.vcpu = vcpu_of(self.table.vm, vcpu)
        use_strategy(self, strategy)
        use_loop(self, loop)
        if injectors and not world:
            raise ValueError("injectors without world=True: a bare VM has no points")
        for injector in injectors:
            capsule = native_of(injector, "at", _python_injector)
            injector_from(capsule)
            self.recorder.injectors.append(capsule)

        self.vm = current_vm(&self.c)

    def __dealloc__(self):
        if self.vm is not None:
            expire(self.vm)
        free(self.scratch)

    @property
    def this_cpu(self):
        """The pCPU on which the context runs, -1 for none. Settable."""
        return self.c.pcpu

    @this_cpu.setter
    def this_cpu(self, pcpu):
        self.c.pcpu = pcpu_number(self.table.vm, pcpu, -1)

    @property
    def visited(self):
        """How many places of the table dispatches have looked at."""
        return self.c.visited

    @property
    def preempt_count(self):
        """> 0: preemption is off."""
        return self.c.preempt_count

    @property
    def irqs_off(self):
        """> 0: IRQs are off."""
        return self.c.irqs_off

    @property
    def need_resched(self):
        """Does the host's scheduler want the pCPU? Settable."""
        return self.c.need_resched != 0

    @need_resched.setter
    def need_resched(self, wanted):
        self.c.need_resched = bool(wanted)

    # ---- state ----

    def set_vcpu(self, vcpu, *, mode=None, cpu=None, wait=None, requests=None):
        """Set what is given of one vCPU's state, without a trace.

        mode: a Mode; cpu: -1 for none; wait: asleep?; requests: the 64 bits as an int, or Requests.
        """
        cdef mk_vcpu *v = vcpu_of(self.table.vm, vcpu)
        if mode is not None:
            mk_bare_store32(&v.mode, MK_RELAXED, _Mode(mode))
        if cpu is not None:
            mk_bare_store32(&v.cpu, MK_RELAXED, <uint32_t>pcpu_number(self.table.vm, cpu, -1))
        if wait is not None:
            mk_bare_store32(&v.wait, MK_RELAXED, bool(wait))
        if requests is not None:
            bits = requests if isinstance(requests, int) else sum({1 << (request_value(req) & 0xff) for req in requests})
            mk_bare_store64(&v.requests, MK_RELAXED, bits)

    def state(self, vcpu):
        """(mode, cpu, wait, requests) of one vCPU, without a trace."""
        cdef VCpu view = view_of(vcpu_of(self.table.vm, vcpu), self.table, None)
        return view.mode, view.cpu, view.wait, view.requests

    # ---- what is done ----

    def dispatch(self, req, targets=None):
        """One call through the strategy. True when an IPI was sent."""
        cdef Bitmap mask = target_mask(self.table.vm, targets)
        cdef uint32_t word = request_value(req)
        cdef const uint64_t *words = NULL if mask is None else mask.words
        cdef int called
        with nogil:
            called = dispatch(&self.c, word, words)
        return called != 0

    def dispatch_many(self, req, targets, n, mode=None):
        """*n* calls in one native loop, with neither world nor observer nor trace, for benchmarks. Returns how many sent an IPI.

        mode: set each target's mode to this Mode before each call (untimed callers subtract it); None leaves the modes alone.
        """
        cdef Bitmap mask = target_mask(self.table.vm, targets)
        cdef uint32_t word = request_value(req)
        cdef const uint64_t *words = NULL if mask is None else mask.words
        cdef mk_world *world = self.c.world
        cdef const mk_observer *observer = self.c.observer
        cdef int reset = -1 if mode is None else _Mode(mode)
        cdef uint64_t times = n, sent = 0, _i
        self.c.world = NULL
        self.c.observer = NULL
        self.recorder.native.quiet = True
        try:
            with nogil:
                for _i in range(times):
                    if reset >= 0:
                        set_modes(self.table.vm, words, reset)
                    sent += dispatch(&self.c, word, words)
        finally:
            self.recorder.native.quiet = False
            self.c.world = world
            self.c.observer = observer
        return sent

    def enter(self, vcpu):
        """One pass of the run loop for one vCPU. True when the guest was entered, False when the entry was aborted."""
        cdef mk_vcpu *v = vcpu_of(self.table.vm, vcpu)
        cdef const mk_loop *loop = self.table.vm.loop
        cdef int entered
        with nogil:
            entered = loop.enter(&self.c, loop, v)
        return entered != 0

    # ---- what was recorded ----

    @property
    def trace(self):
        """All Ops since the start or clear(): accesses and points (world=True), calls of the machine, events (record=True)."""
        return list(self.recorder.trace)

    @property
    def ops(self):
        """The memory operations of the trace."""
        return [op for op in self.recorder.trace if op.op in _MEMORY_OPS]

    @property
    def points(self):
        """The names of the points that were passed."""
        return [op.name for op in self.recorder.trace if op.op == "point"]

    @property
    def calls(self):
        """The calls of the machine."""
        return [op for op in self.recorder.trace if op.op == "call"]

    @property
    def events(self):
        """What the observer saw."""
        return [op for op in self.recorder.trace if op.op == "event"]

    @property
    def ipis(self):
        """The function-call IPIs, each an Ipi(mask, wait); the machine drops the current pCPU from a mask, this list does not."""
        return [Ipi(op.value, op.order == "wait") for op in self.calls if op.name == "call_many"]

    @property
    def woken(self):
        """The indices of the vCPUs that kickers woke."""
        return [op.vcpu for op in self.calls if op.name == "wake"]

    @property
    def rescheduled(self):
        """The pCPUs that got a reschedule IPI."""
        return [op.value for op in self.calls if op.name == "reschedule"]

    def clear(self):
        """Forget what was recorded."""
        self.recorder.trace.clear()


cdef void set_modes(mk_vm *vm, const uint64_t *targets, int mode) noexcept nogil:
    cdef unsigned i
    if targets == NULL:
        for i in range(vm.nr_vcpus):
            mk_bare_store32(&vm.vcpus[i].mode, MK_RELAXED, mode)
        return
    i = bm_find_next(targets, vm.nr_vcpus, 0)
    while i < vm.nr_vcpus:
        mk_bare_store32(&vm.vcpus[i].mode, MK_RELAXED, mode)
        i = bm_find_next(targets, vm.nr_vcpus, i + 1)
